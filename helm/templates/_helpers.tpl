{{- define "vllm-slurm.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "vllm-slurm.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains (include "vllm-slurm.name" .) .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "vllm-slurm.name" .) | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "vllm-slurm.selector" -}}
app.kubernetes.io/name: {{ include "vllm-slurm.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: manager
{{- end }}

{{- define "vllm-slurm.labels" -}}
app.kubernetes.io/name: {{ include "vllm-slurm.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "vllm-slurm.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "vllm-slurm.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* Bound at least once: the subject of every binding. */}}
{{- define "vllm-slurm.subjects" -}}
- kind: ServiceAccount
  name: {{ include "vllm-slurm.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{/* The lease's name is the operator's own default, unless the settings say otherwise. */}}
{{- define "vllm-slurm.lease" -}}
{{- dig "kubernetes" "leaseName" "vllm-slurm-operator" .Values.config }}
{{- end }}

{{- define "vllm-slurm.login" -}}
{{ ternary .Values.ssh.host (printf "%s@%s" .Values.ssh.user .Values.ssh.host) (empty .Values.ssh.user) }}
{{- end }}

{{/* The rules of this cluster as a CEL literal: lists of strings alone, for CEL wants members of one type. */}}
{{- define "vllm-slurm.rules" -}}
{{- $cluster := dig "cluster" "name" "slurm" .Values.config }}
{{- $keys := list "namespaces" "accounts" "partitions" "qos" "reservations" "paths" "extraArgs" "engineArgs" "environment" }}
{{- $rules := list }}
{{- range $rule := .Values.tenancy.rules }}
{{- $clusters := default (list "*") $rule.clusters }}
{{- if or (has $cluster $clusters) (has "*" $clusters) }}
{{- $parts := list }}
{{- range $key := $keys }}
{{- with index $rule $key }}
{{- $parts = append $parts (printf "'%s': ['%s']" $key (join "', '" .)) }}
{{- end }}
{{- end }}
{{- if $rule.trustRemoteCode }}
{{- $parts = append $parts "'trustRemoteCode': ['true']" }}
{{- end }}
{{- if hasKey $rule "maxReplicas" }}
{{- $parts = append $parts (printf "'maxReplicas': ['%d']" (int $rule.maxReplicas)) }}
{{- end }}
{{- $rules = append $rules (printf "  {%s}" (join ", " $parts)) }}
{{- end }}
{{- end }}
{{- printf "[\n%s\n]" (join ",\n" $rules) }}
{{- end }}

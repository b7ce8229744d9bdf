// A controller as small as controller-runtime lets it be: it caches every VLLMDeployment, takes a turn for each, and
// does nothing in it. What it costs is what any controller written with that library costs at the least.
//
//	noop-controller COUNT
//
// says "ready" once COUNT deployments have had a turn, and goes on until it is ended. It is told where the API server is
// by KUBECONFIG.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return fmt.Errorf("usage: noop-controller COUNT")
	}
	count, err := strconv.Atoi(os.Args[1])
	if err != nil {
		return err
	}
	log.SetLogger(zap.New())
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	manager, err := ctrl.NewManager(config, ctrl.Options{Metrics: server.Options{BindAddress: "0"}})
	if err != nil {
		return err
	}
	deployment := &unstructured.Unstructured{}
	deployment.SetGroupVersionKind(schema.GroupVersionKind{
		Group: "vllm-slurm.dev", Version: "v1alpha1", Kind: "VLLMDeployment",
	})
	turns := &turns{reader: manager.GetClient(), wanted: count, seen: map[types.NamespacedName]bool{}}
	if err := ctrl.NewControllerManagedBy(manager).For(deployment).Named("noop").Complete(turns); err != nil {
		return err
	}
	if count == 0 {
		fmt.Println("ready")
	}
	return manager.Start(ctrl.SetupSignalHandler())
}

type turns struct {
	reader client.Reader
	wanted int

	lock sync.Mutex
	seen map[types.NamespacedName]bool
}

func (t *turns) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	deployment := &unstructured.Unstructured{}
	deployment.SetGroupVersionKind(schema.GroupVersionKind{
		Group: "vllm-slurm.dev", Version: "v1alpha1", Kind: "VLLMDeployment",
	})
	if err := t.reader.Get(ctx, request.NamespacedName, deployment); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	t.lock.Lock()
	defer t.lock.Unlock()
	if !t.seen[request.NamespacedName] {
		t.seen[request.NamespacedName] = true
		if len(t.seen) == t.wanted {
			fmt.Println("ready")
		}
	}
	return ctrl.Result{}, nil
}

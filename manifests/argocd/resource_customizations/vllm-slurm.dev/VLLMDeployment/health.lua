-- What is said of another generation says nothing of this one.
local function is_current(condition, obj)
  local of = condition.observedGeneration or (obj.status or {}).observedGeneration
  return of == nil or of == obj.metadata.generation
end

local found = {}
for _, condition in ipairs((obj.status or {}).conditions or {}) do
  if is_current(condition, obj) then
    found[condition.type] = condition
  end
end

local function is_true(type)
  return found[type] ~= nil and found[type].status == "True"
end

if obj.metadata.deletionTimestamp ~= nil then
  local ready = found["Ready"]
  return { status = "Progressing", message = ready and ready.message or "being deleted" }
end
if is_true("Stalled") then
  return { status = "Degraded", message = found["Stalled"].reason .. ": " .. found["Stalled"].message }
end
if found["Ready"] == nil then
  return { status = "Progressing", message = "the operator has not seen this generation yet" }
end
if obj.spec ~= nil and obj.spec.suspend == true then
  return { status = "Suspended", message = found["Ready"].message }
end
if is_true("Ready") then
  return { status = "Healthy", message = found["Ready"].message }
end
return { status = "Progressing", message = found["Ready"].reason .. ": " .. found["Ready"].message }

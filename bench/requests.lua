-- What wrk sends. Arguments: a mode, a token, then what the mode needs:
--   create                makes groups
--   view ID               views one group again and again
--   create-thing          makes things
--   bulk N                makes N things at once
--   view-thing THINGS     views any of so many things, those of `bench/things.py`
--   identify THINGS       asks whose key it is
--   access THINGS         asks whether a thing may publish on its channel
--   list THINGS           lists 100 things from anywhere
--   first THINGS          lists the first 100 things
local mode, token, target, base
local number = 0
local prepared = {}

-- Requests made beforehand: making one costs this process as much as sending it, on cores it shares with the server.
local PREPARED = 20000

local function thing()
  return math.random(0, tonumber(target) - 1)
end

local function json(method, path, body)
  return wrk.format(method, path, { ["Authorization"] = "Bearer " .. token, ["Content-Type"] = "application/json" }, body)
end

local function draft()
  number = number + 1
  return string.format('{"name":"thing %s %d","tags":["bench"],"metadata":{"site":"lab","number":%d}}', base, number, number)
end

local modes = {}

modes["create"] = function()
  number = number + 1
  return json("POST", "/groups", string.format(
    '{"name":"group %s %d","description":"made by a benchmark","metadata":{"site":"lab","number":%d}}',
    base, number, number))
end

modes["view"] = function()
  return json("GET", "/groups/" .. target)
end

modes["create-thing"] = function()
  return json("POST", "/things", draft())
end

modes["bulk"] = function()
  local drafts = {}
  for each = 1, tonumber(target) do
    drafts[each] = draft()
  end
  return json("POST", "/things/bulk", "[" .. table.concat(drafts, ",") .. "]")
end

modes["view-thing"] = function()
  return json("GET", string.format("/things/00000000-0000-4000-8000-%012x", thing()))
end

modes["identify"] = function()
  return wrk.format("POST", "/identify", {
    ["Authorization"] = string.format("Thing key-%d", thing()), ["Content-Type"] = "application/json" })
end

modes["access"] = function()
  local which = thing()
  return wrk.format("POST", string.format("/channels/00000000-0000-4000-9000-%012x/access", which % 1000),
    { ["Content-Type"] = "application/json" },
    string.format('{"subject":"key-%d","action":"m_write","entity_type":"thing"}', which))
end

modes["list"] = function()
  return json("GET", string.format("/things?limit=100&offset=%d", math.random(0, tonumber(target) - 100)))
end

modes["first"] = function()
  return json("GET", "/things?limit=100")
end

local anew = { ["create"] = true, ["create-thing"] = true, ["bulk"] = true }

function init(args)
  mode, token, target = args[1], args[2], args[3]
  math.randomseed(os.time())
  base = string.format("%x%x", math.random(0, 2 ^ 30), math.random(0, 2 ^ 30))
  for each = 1, anew[mode] and 0 or PREPARED do
    prepared[each] = modes[mode]()
  end
end

function request()
  if anew[mode] then
    return modes[mode]()
  end
  number = number % PREPARED + 1
  return prepared[number]
end

function done(summary, latency, requests)
  print(string.format("RESULT %f %f %d", summary.requests / summary.duration * 1e6,
    latency:percentile(99) / 1000, summary.errors.status))
end

-- What wrk sends: `create` makes groups, `view` views one again and again. Arguments: mode, token, group id.
local mode, token, group, base
local number = 0

function init(args)
  mode, token, group = args[1], args[2], args[3]
  math.randomseed(os.time())
  base = string.format("%x%x", math.random(0, 2 ^ 30), math.random(0, 2 ^ 30))
end

function request()
  local headers = { ["Authorization"] = "Bearer " .. token, ["Content-Type"] = "application/json" }
  if mode == "view" then
    return wrk.format("GET", "/groups/" .. group, headers)
  end
  number = number + 1
  local body = string.format(
    '{"name":"group %s %d","description":"made by a benchmark","metadata":{"site":"lab","number":%d}}',
    base, number, number)
  return wrk.format("POST", "/groups", headers, body)
end

function done(summary, latency, requests)
  print(string.format("RESULT %f %f %d", summary.requests / summary.duration * 1e6,
    latency:percentile(99) / 1000, summary.errors.status))
end

-- What wrk sends to a PKI. Arguments: mode, token, path, file with the body.
local mode, token, path, body, headers, method

function init(args)
  mode, token, path = args[1], args[2], args[3]
  method, headers = "GET", { ["Authorization"] = "Bearer " .. token }
  if args[4] then
    local file = io.open(args[4], "rb")
    body = file:read("*a")
    file:close()
    method = "POST"
    headers["Content-Type"] = mode == "ocsp" and "application/ocsp-request" or "application/json"
  end
end

function request()
  return wrk.format(method, path, headers, body)
end

function done(summary, latency, requests)
  print(string.format("RESULT %f %f %d", summary.requests / summary.duration * 1e6,
    latency:percentile(99) / 1000, summary.errors.status))
end

-- SPDX-License-Identifier: Apache-2.0
-- wrk's side: args are agents, a prefix for keys, mean pause in ms between an answer and the next request, the token,
-- and what names of agents begin with: "a", or "r" for those of relaxed durability, which get no keys.
local threads = 0
function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init(args)
  agents, run, pause, sent = tonumber(args[1]), args[2], tonumber(args[3]), 0
  wrk.method, wrk.body = "POST", '{"x":"' .. string.rep("x", 92) .. '"}' -- 100 bytes; LiteLLM takes nothing but JSON
  wrk.headers["X-Homeport-Token"] = args[4]
  agent, keys = args[5], args[5] == "a"
  if pause > 0 then
    function delay() return math.random(0, 2 * pause) end
  end
end

function request()
  sent = sent + 1
  if keys then wrk.headers["Idempotency-Key"] = run .. "-" .. number .. "-" .. sent end
  return wrk.format(nil, "/agent/" .. agent .. (sent % agents) .. "/do")
end

function done(summary, latency, requests)
  local errors = summary.errors
  local bad = errors.connect + errors.read + errors.write + errors.timeout + errors.status
  io.write(string.format('\n{"requests":%d,"micros":%d,"bad":%d,"latency":{', summary.requests, summary.duration, bad))
  for place, percent in ipairs({10, 25, 50, 75, 90, 95, 99, 99.9}) do
    io.write(string.format('%s"%g":%d', place > 1 and "," or "", percent, latency:percentile(percent)))
  end
  io.write("}}\n")
end

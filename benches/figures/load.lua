-- wrk's script. Without arguments it gets a page. With them it posts the body in the file that is named
-- first, with the headers that follow it; `@guid@` in a header is another one in each request.
function init(args)
    if not args[1] then
        return
    end
    local file = assert(io.open(args[1], "rb"))
    wrk.method, wrk.body = "POST", file:read("*a")
    file:close()
    wrk.headers["Content-Type"] = "application/json"
    for place = 2, #args do
        local name, value = args[place]:match("^([^:]+): (.*)$")
        wrk.headers[name] = value
    end
    local whole = wrk.format()
    local from, to = whole:find("@guid@", 1, true)
    if from then
        local head, tail, count = whole:sub(1, from - 1), whole:sub(to + 1), 0
        function request()
            count = count + 1
            return head .. string.format("%012x", count) .. tail
        end
    end
end

function done(summary, latency)
    local errors = summary.errors
    print(string.format(
        "figures: %d %d %d %d %d",
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
        errors.connect + errors.read + errors.write + errors.timeout + errors.status))
end

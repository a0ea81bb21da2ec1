-- Sends every delivery of a file once, as fast as the connections take them, then ends wrk and reports on standard error.
-- The file holds one delivery a line: request id, signature and body, with a tab between them.

local ffi = require("ffi")
ffi.cdef [[
    struct moment { long seconds; long nanoseconds; };
    int clock_gettime(int clock, struct moment *now);
    int getpid(void);
    long syscall(long number, ...);
]]

local function now()
    local moment = ffi.new("struct moment")
    ffi.C.clock_gettime(1, moment)
    return tonumber(moment.seconds) + tonumber(moment.nanoseconds) / 1e9
end

local threads = {}
function setup(thread)
    table.insert(threads, thread)
end

local deliveries = {}
local sent, answered = 0, 0
local began
took = 0

function init(arguments)
    for line in io.lines(arguments[1]) do
        local id, signature, body = line:match("^([^\t]*)\t([^\t]*)\t(.*)$")
        deliveries[#deliveries + 1] = wrk.format("POST", nil, {
            ["Content-Type"] = "application/json",
            ["X-Event-Key"] = "repo:push",
            ["X-Request-UUID"] = id,
            ["X-Hook-UUID"] = "4f5a1c1e-6f0a-4b0f-9d1c-8d6b3a8f1a11",
            ["X-Attempt-Number"] = "1",
            ["User-Agent"] = "Bitbucket-Webhooks/2.0",
            ["X-Hub-Signature"] = "sha256=" .. signature,
        }, body)
    end
end

local tried = false
function request()
    -- wrk asks once before it begins, to look at what it gets.
    if not tried then
        tried = true
        return deliveries[1]
    end
    if sent == 0 then began = now() end
    if sent < #deliveries then
        sent = sent + 1
        return deliveries[sent]
    end
    -- All are sent; this connection has nothing more to say.
    return ""
end

wrong = 0
function response(status)
    answered = answered + 1
    if status ~= 202 then wrong = wrong + 1 end
    if answered == #deliveries then
        took = now() - began
        -- tgkill(2) with SIGINT, to wrk's main thread, which sleeps out the time it was given.
        local process = ffi.cast("long", ffi.C.getpid())
        ffi.C.syscall(ffi.arch == "x64" and 234 or 131, process, process, ffi.cast("long", 2))
    end
end

function done(summary, latency)
    local thread = threads[1]
    io.stderr:write(string.format(
        '{"wrong": %d, "seconds": %.6f, "p50": %.3f, "p99": %.3f, "p999": %.3f, "errors": %d}\n',
        thread:get("wrong"), thread:get("took"), latency:percentile(50) / 1000, latency:percentile(99) / 1000,
        latency:percentile(99.9) / 1000, summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end

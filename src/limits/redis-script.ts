/**
 * Takes one from each window or none, as memory.ts does, in one step that nothing can come between. Each key is a list of
 * runs `time:number`, oldest first: the last millisecond of the run, and how many were ever counted up to its end. The
 * first element is the last run that counts no more, so what counts is the last number less the first.
 *
 * KEYS: one a window. ARGV: `take` or `peek`, the time or '' for Redis' own clock, then limit, window and granule of each
 * window in milliseconds. Gives allowed (1 or 0), the window that decides, what remains, retry and reset in milliseconds.
 */
export const takeScript = `
local now = tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

local function split(run)
  local time, number = string.match(run, '^(%d+):(%d+)$')
  return tonumber(time), tonumber(number)
end

local function join(time, number)
  return string.format('%.0f:%.0f', time, number)
end

local windows = {}
for index, key in ipairs(KEYS) do
  local at = index * 3
  local window = {
    key = key, limit = tonumber(ARGV[at]), span = tonumber(ARGV[at + 1]), granule = tonumber(ARGV[at + 2]),
    total = 0, number = 0, time = 0, empty = true,
  }
  local last = redis.call('LINDEX', key, -1)
  if last then
    window.empty = false
    window.time, window.number = split(last)
    local pair = redis.call('LRANGE', key, 0, 1)
    while pair[2] and split(pair[2]) <= now - window.span do
      redis.call('LPOP', key)
      pair = redis.call('LRANGE', key, 0, 1)
    end
    local _, base = split(pair[1])
    window.total = window.number - base
    window.first = pair[2]
  end
  windows[index] = window
end

local function untilRoom(window)
  local time, number = split(window.first)
  if window.number - number < window.limit then return time + window.span - now end
  for _, run in ipairs(redis.call('LRANGE', window.key, 2, -1)) do
    time, number = split(run)
    if window.number - number < window.limit then break end
  end
  return time + window.span - now
end

local function untilEmpty(window)
  if window.total == 0 then return 0 end
  return window.time + window.span - now
end

local full, wait = nil, -1
for index, window in ipairs(windows) do
  if window.total >= window.limit then
    local room = untilRoom(window)
    if room > wait then full, wait = index, room end
  end
end
if full then return { 0, full, 0, wait, untilEmpty(windows[full]) } end

if ARGV[1] == 'take' then
  for _, window in ipairs(windows) do
    local time = now - now % window.granule + window.granule - 1
    if window.empty then redis.call('RPUSH', window.key, '0:0') end
    window.number = window.number + 1
    if window.total > 0 and window.time >= time then
      redis.call('LSET', window.key, -1, join(window.time, window.number))
    else
      window.time = time
      redis.call('RPUSH', window.key, join(time, window.number))
    end
    window.total = window.total + 1
    redis.call('PEXPIRE', window.key, math.max(window.span + window.granule, 60000))
  end
end

local least, remaining = 1, math.huge
for index, window in ipairs(windows) do
  local left = window.limit - window.total
  if left < remaining then least, remaining = index, left end
end
return { 1, least, remaining, 0, untilEmpty(windows[least]) }
`;

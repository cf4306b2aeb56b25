"""What Redis runs atomically over a batch of rows: the guarded write, and the comparison that reads rows back.

Both take the keys and the values' lengths as one MessagePack argument and the values as one text (Redis' own MessagePack
has no binary): the client would spend more on thousands of arguments than Redis does on the rows. The third argument is the
rows' time to live in milliseconds, empty for ever.
"""

from __future__ import annotations

_ROWS = """
local function larger(a, b)  -- byte by byte: Lua's own comparison asks the locale
    for i = 1, math.min(#a, #b) do
        local x, y = a:byte(i), b:byte(i)
        if x ~= y then return x > y end
    end
    return #a > #b
end
local rows, values, start, lifetime = cmsgpack.unpack(ARGV[1]), {}, 1, ARGV[3]
local keys = rows[1]
local stored = redis.call('MGET', unpack(keys))
local same = true
for i = 1, #keys do if not stored[i] or #stored[i] ~= rows[2][i] then same = false break end end
same = same and table.concat(stored) == ARGV[2]
"""
_VALUES = """
for i, length in ipairs(rows[2]) do
    values[i] = ARGV[2]:sub(start, start + length - 1)
    start = start + length
end
"""

# Answers how many rows were newer than what was there; they alone are written.
GUARDED_SET = f"""{_ROWS}
if same then return 0 end
{_VALUES}
local changed, pairs = 0, {{}}
for i, key in ipairs(keys) do
    local new, old, newer = values[i], stored[i], true
    if old then
        local times, old_times = new:sub(1, 34), old:sub(1, 34)
        newer = times > old_times or (times == old_times and new ~= old and larger(new, old))
    end
    if newer then
        changed = changed + 1
        if lifetime ~= '' then redis.call('SET', key, new, 'PX', lifetime)
        else pairs[2 * changed - 1], pairs[2 * changed] = key, new end
    end
end
if #pairs > 0 then redis.call('MSET', unpack(pairs)) end
return changed
"""

# Answers a letter a row (see ORDERS). Those that are stored as they were written get their time to live.
COMPARE = f"""{_ROWS}
if same then
    if lifetime ~= '' then for _, key in ipairs(keys) do redis.call('PEXPIRE', key, lifetime) end end
    return string.rep('=', #keys)
end
{_VALUES}
local orders = {{}}
for i, new in ipairs(values) do
    local old = stored[i]
    if old == new then
        orders[i] = '='
        if lifetime ~= '' then redis.call('PEXPIRE', keys[i], lifetime) end
    else orders[i] = (old and larger(old, new)) and '>' or '<' end
end
return table.concat(orders)
"""
ORDERS = {ord("="): 0, ord(">"): 1, ord("<"): -1}  # as `PackedStore.compare` says them

# A time to live for every key of a batch, whatever it holds.
EXPIRE = """
local call, lifetime, keys = redis.call, ARGV[1], cmsgpack.unpack(ARGV[2])
for i = 1, #keys do call('PEXPIRE', keys[i], lifetime) end
"""

/*
 * What Redis runs for one exchange: `pace/memory-limit-store.ts` line by line, by the server's own
 * clock. A bucket is a hash of `l` (what is left beyond all leases), `t` (when that was true, in
 * ms), of a budget `a` (its amount as last stated), and a field `h:<holder>` for each lease: kept,
 * spent, and until when it lasts. A budget's lease that has lapsed is `s:<holder>` for a while: it
 * holds nothing, and what it had spent is not charged again. Numbers are doubles written with 17
 * digits, so that nothing is lost between two runs.
 */

/**
 * Arguments before those of the claims: lease in ms, largest share of a slice, how long lapsed
 * leases are remembered in ms.
 */
export const headArguments = 3;
/** Arguments of one claim, in the order in which the script reads them. */
export const claimArguments = 12;

/** The script; its keys are the buckets of the claims, in their order. */
export const exchangeScript = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
local leaseMs, shareMax, lapsedKeptMs = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])

local function text(number) return string.format('%.17g', number) end

local function leaseText(lease)
  return text(lease.kept) .. ' ' .. text(lease.spent) .. ' ' .. text(lease.untilMs)
end

local function claimAt(index)
  local at = ${headArguments} + (index - 1) * ${claimArguments}
  return {
    holder = ARGV[at + 1], isFirst = ARGV[at + 2] == '1',
    amount = tonumber(ARGV[at + 3]), periodMs = tonumber(ARGV[at + 4]),
    spent = tonumber(ARGV[at + 5]), kept = tonumber(ARGV[at + 6]),
    need = tonumber(ARGV[at + 7]), wish = tonumber(ARGV[at + 8]), slice = tonumber(ARGV[at + 9]),
    isBudget = ARGV[at + 10] == '1', before = ARGV[at + 11], beforeSpent = tonumber(ARGV[at + 12])
  }
end

local function mostLeft(bucket)
  local out = 0
  for _, lease in pairs(bucket.leases) do
    out = out + (bucket.claim.periodMs == 0 and lease.kept or lease.kept - lease.spent)
  end
  return bucket.claim.amount - out
end

local function settle(bucket)
  local most = mostLeft(bucket)
  bucket.left = bucket.claim.periodMs == 0 and most or math.min(bucket.left, most)
end

local function open(key, claim)
  local bucket = { claim = claim, left = claim.amount, at = now, leases = {}, lapsed = {}, gone = {}, promised = 0 }
  local stated = claim.amount
  local fields = redis.call('HGETALL', key)
  for index = 1, #fields, 2 do
    local name, value = fields[index], fields[index + 1]
    if name == 'l' then bucket.left = tonumber(value)
    elseif name == 't' then bucket.at = tonumber(value)
    elseif name == 'a' then stated = tonumber(value)
    else
      local kept, spent, untilMs = string.match(value, '^(%S+) (%S+) (%S+)$')
      local lease = { kept = tonumber(kept), spent = tonumber(spent), untilMs = tonumber(untilMs) }
      if string.sub(name, 1, 2) == 'h:' then bucket.leases[name] = lease
      elseif lease.untilMs > now then bucket.lapsed[name] = lease
      else bucket.gone[#bucket.gone + 1] = name end
    end
  end
  if claim.isBudget then bucket.left = bucket.left + claim.amount - stated end
  for name, lease in pairs(bucket.leases) do
    if lease.untilMs <= now then
      bucket.leases[name] = nil
      bucket.gone[#bucket.gone + 1] = name
      bucket.left = bucket.left + lease.kept - lease.spent
      if claim.isBudget then
        local past = { kept = lease.spent, spent = lease.spent, untilMs = now + lapsedKeptMs, isNew = true }
        bucket.lapsed['s:' .. string.sub(name, 3)] = past
      end
    end
  end
  if claim.periodMs > 0 and not claim.isBudget then
    local gained = math.max(0, now - bucket.at) * claim.amount / claim.periodMs
    bucket.left = math.min(claim.amount, bucket.left + gained)
  end
  bucket.at = math.max(bucket.at, now)
  settle(bucket)
  return bucket
end

-- A bucket is opened once, however many claim it.
local opened, asked, isLost = {}, {}, false
for index = 1, #KEYS do
  local claim = claimAt(index)
  local bucket = opened[KEYS[index]] or open(KEYS[index], claim)
  opened[KEYS[index]] = bucket
  local field = 'h:' .. claim.holder
  asked[index] = { claim = claim, bucket = bucket, field = field }
  asked[index].isLost = not claim.isFirst and bucket.leases[field] == nil
  isLost = isLost or asked[index].isLost
end

if isLost then
  local answer = { 0 }
  for _, each in ipairs(asked) do
    answer[#answer + 1] = each.isLost and '' or text(each.claim.kept)
    answer[#answer + 1] = text(each.bucket.left)
  end
  return answer
end

local function forget(bucket, name)
  if bucket.lapsed[name] == nil then return end
  bucket.lapsed[name] = nil
  bucket.gone[#bucket.gone + 1] = name
end

local function heardOf(bucket, claim)
  if not claim.isBudget or bucket.leases['h:' .. claim.holder] then return 0 end
  local own = bucket.lapsed['s:' .. claim.holder]
  if own then return own.spent end
  local last = bucket.leases['h:' .. claim.before] or bucket.lapsed['s:' .. claim.before]
  return last and last.spent - claim.beforeSpent or 0
end

for _, each in ipairs(asked) do
  local claim, bucket = each.claim, each.bucket
  bucket.left = bucket.left + heardOf(bucket, claim)
  forget(bucket, 's:' .. claim.holder)
  forget(bucket, 's:' .. claim.before)
  local before = bucket.leases[each.field]
  local kept = math.max(claim.kept, claim.spent)
  bucket.left = bucket.left + (before and before.kept or 0) - kept
  bucket.leases[each.field] = { kept = kept, spent = claim.spent, untilMs = now + leaseMs }
  settle(bucket)
end

local isGranted = true
for _, each in ipairs(asked) do
  local claim, bucket = each.claim, each.bucket
  if claim.need > 0 then
    local needed = claim.need
    if needed > claim.amount and not claim.isBudget then
      needed = math.max(mostLeft(bucket) - bucket.promised, claim.amount / 2)
    end
    isGranted = isGranted and bucket.left - bucket.promised >= needed
    bucket.promised = bucket.promised + claim.need
  end
end

if isGranted then
  for _, each in ipairs(asked) do
    local lease = each.bucket.leases[each.field]
    lease.kept = lease.kept + each.claim.need
    each.bucket.left = each.bucket.left - each.claim.need
  end
end

local answer = { isGranted and 1 or 0 }
for index, each in ipairs(asked) do
  local claim, bucket = each.claim, each.bucket
  local lease = bucket.leases[each.field]
  if isGranted then
    local wished = math.max(0, math.min(claim.wish, math.floor(bucket.left)))
    local afterWish = bucket.left - wished
    local slice = math.max(0, math.min(claim.slice, math.floor(afterWish * shareMax)))
    lease.kept = lease.kept + wished + slice
    bucket.left = afterWish - slice
  end
  local key = KEYS[index]
  -- One by one: there may be more after an hour than one call takes.
  for _, name in ipairs(bucket.gone) do redis.call('HDEL', key, name) end
  bucket.gone = {}
  for name, past in pairs(bucket.lapsed) do
    if past.isNew then redis.call('HSET', key, name, leaseText(past)) end
    past.isNew = false
  end
  redis.call('HSET', key, 'l', text(bucket.left), 't', text(bucket.at), each.field, leaseText(lease))
  -- A bucket that is full and leased to nobody is the same as none.
  local fullMs = claim.periodMs * math.max(0, claim.amount - bucket.left) / claim.amount
  -- A budget's is of no use after its day or month, whose end nobody here knows.
  if claim.isBudget then
    fullMs = 2 * claim.periodMs
    redis.call('HSET', key, 'a', text(bucket.claim.amount))
  end
  redis.call('PEXPIRE', key, math.ceil(fullMs + 2 * leaseMs))
  answer[#answer + 1] = text(lease.kept)
  answer[#answer + 1] = text(bucket.left)
end
return answer`;

//! What the store does in one step, in its own language: each of these is all or nothing.
//!
//! An endpoint has a lock, and a hash for each format that holds its newest edition: who began it
//! (`life`), how many commits it has seen (`version`), everything as of commit `base` and what each
//! commit since has changed (`p<version>`). Keys of an endpoint share a hash tag, so that a cluster
//! keeps them together.

use std::sync::LazyLock;

use redis::Script;

/// Which server this is, and in which life of its as a master: one that has been a replica meanwhile
/// has what its master let it have.
const SERVER: &str = "local info = redis.call('INFO', 'server') .. redis.call('INFO', 'replication')
         local server = string.sub(string.match(info, 'run_id:(%x+)') or '', 1, 16)
           .. string.sub(string.match(info, 'master_replid:(%x+)') or '', 1, 16)";

/// `lock`; token, milliseconds. Gives 0, or how long somebody else may still hold it.
pub static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local holder = redis.call('GET', KEYS[1])
         if holder and holder ~= ARGV[1] then return math.max(redis.call('PTTL', KEYS[1]), 1) end
         redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
         return 0",
    )
});

/// `lock`; token, milliseconds. Gives 1 while it is ours.
pub static RENEW: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
         return redis.call('PEXPIRE', KEYS[1], ARGV[2])",
    )
});

/// `lock`; token.
pub static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
         return redis.call('DEL', KEYS[1])",
    )
});

/// `state`, `lock`; life and version that are known, token. Gives life and version, milliseconds now and since
/// the last commit, which server took it and which one this is, the form of the pieces, whether the first
/// piece holds everything, the pieces. Gives nothing when the claim has ended: the exporter was asked before, and
/// somebody else may have asked it since and committed; an older body on top of that would look like a reset.
pub static READ: LazyLock<Script> = LazyLock::new(|| {
    Script::new(&format!(
        "if redis.call('GET', KEYS[2]) ~= ARGV[3] then return {{}} end
         local h = redis.call('HMGET', KEYS[1], 'life', 'version', 'base', 'at', 'server', 'form')
         local now = redis.call('TIME')
         now = now[1] * 1000 + math.floor(now[2] / 1000)
         {SERVER}
         local life, version, base = h[1] or '', tonumber(h[2] or 0), tonumber(h[3] or 0)
         local first, pieces = base, {{}}
         if life == ARGV[1] and tonumber(ARGV[2]) >= base then first = tonumber(ARGV[2]) + 1 end
         if life ~= '' then
           for v = first, version do pieces[#pieces + 1] = redis.call('HGET', KEYS[1], 'p' .. v) or '' end
         end
         return {{life, version, now, now - tonumber(h[4] or now), h[5] or '', server, tonumber(h[6] or 0), first == base and 1 or 0, pieces}}",
    ))
});

/// `state`, `lock`; token, life and version that were read, life from now on, `whole` or `change`,
/// piece, milliseconds to live, server, form. Gives what became of it, and whether the changes have outgrown the whole.
///
/// A claim that has ended and that nobody else has taken is no obstacle: what was read is still what is
/// there. The piece is written before anything goes: a store without memory refuses that first.
pub static COMMIT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local holder = redis.call('GET', KEYS[2])
         if holder and holder ~= ARGV[1] then return {'lost', 0} end
         local h = redis.call('HMGET', KEYS[1], 'life', 'version', 'base', 'whole', 'log')
         if (h[1] or '') ~= ARGV[2] or (h[2] or '0') ~= ARGV[3] then return {'moved', 0} end
         local before, base, piece = tonumber(ARGV[3]), tonumber(h[3] or 0), ARGV[6]
         local version = before + 1
         local whole, log = tonumber(h[4] or 0), tonumber(h[5] or 0) + #piece
         redis.call('HSET', KEYS[1], 'p' .. version, piece)
         if ARGV[5] == 'whole' then
           for v = base, before do redis.call('HDEL', KEYS[1], 'p' .. v) end
           base, whole, log = version, #piece, 0
         end
         local now = redis.call('TIME')
         redis.call('HSET', KEYS[1], 'life', ARGV[4], 'version', version, 'base', base, 'whole', whole, 'log', log,
           'at', now[1] * 1000 + math.floor(now[2] / 1000), 'server', ARGV[8], 'form', ARGV[9])
         redis.call('PEXPIRE', KEYS[1], ARGV[7])
         if holder then redis.call('DEL', KEYS[2]) end
         local outgrown = log > math.max(whole, 8192) or version - base > 1000
         return {'kept', outgrown and 1 or 0}",
    )
});

/// `seen`, `asked`, `until`; guard. Says that the guard is there; gives this server, and those that guards
/// have been asked about. The first one to say so to a server notes when the last one had said so before.
pub static BEAT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(&format!(
        "local now = redis.call('TIME')
         now = now[1] * 1000 + math.floor(now[2] / 1000)
         {SERVER}
         redis.call('HSETNX', KEYS[3], server, redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2] or now)
         redis.call('ZADD', KEYS[1], now, ARGV[1])
         redis.call('PEXPIRE', KEYS[1], 86400000)
         local servers = redis.call('SMEMBERS', KEYS[2])
         servers[#servers + 1] = server
         return servers",
    ))
});

/// `seen`; guard.
pub static LEAVE: LazyLock<Script> = LazyLock::new(|| Script::new("return redis.call('ZREM', KEYS[1], ARGV[1])"));

/// `state`; life and version that were shown. What is behind them goes; gives 1 then.
pub static ATTEST: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local h = redis.call('HMGET', KEYS[1], 'life', 'version')
         if not h[1] or h[1] > ARGV[1] then return 0 end
         if h[1] == ARGV[1] and tonumber(h[2]) >= tonumber(ARGV[2]) then return 0 end
         return redis.call('DEL', KEYS[1])",
    )
});

/// `vouched`; guard. All that this guard knows has been held against this server.
pub static VOUCH: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "redis.call('SADD', KEYS[1], ARGV[1])
         return redis.call('PEXPIRE', KEYS[1], 86400000)",
    )
});

/// `seen`, `asked`, `until`, `vouched`; server, milliseconds. Whether every guard that was there lately
/// when the server began has vouched for it, and everyone that has come since; the others are asked to.
pub static PROVE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "redis.call('SADD', KEYS[2], ARGV[1])
         redis.call('PEXPIRE', KEYS[2], 3600000)
         local newest = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2]
         if not newest then return 0 end
         redis.call('HSETNX', KEYS[3], ARGV[1], newest)
         local since = redis.call('HGET', KEYS[3], ARGV[1]) - ARGV[2]
         for _, guard in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], since, '+inf')) do
           if redis.call('SISMEMBER', KEYS[4], guard) == 0 then return 0 end
         end
         return 1",
    )
});

/// `lore`, `parts`, `totals` of a target; words heard, endpoint. Gives how many words there are, those that
/// were not heard, what the endpoint was last said to have, and what all have.
pub static LISTEN: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local words = redis.call('LLEN', KEYS[1])
         local heard = tonumber(ARGV[1])
         if heard > words then heard = 0 end
         return {words, redis.call('LRANGE', KEYS[1], heard, -1), redis.call('HGET', KEYS[2], ARGV[2]) or '',
           redis.call('HGETALL', KEYS[3])}",
    )
});

/// `lore`; words.
pub static TELL: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('LLEN', KEYS[1]) > 10000 then redis.call('DEL', KEYS[1]) end
         redis.call('RPUSH', KEYS[1], unpack(ARGV))
         return redis.call('PEXPIRE', KEYS[1], 2592000000)",
    )
});

/// `seen`, `parts`, `totals` of a target; endpoint, its series by metric as JSON, by metric its limit and how many
/// all had when the endpoint looked, milliseconds to live. Gives 1, and counts nothing, where the endpoint has more
/// than it had, others have as well since it looked, and together that is more than the limit. Endpoints that nobody
/// has asked for go.
pub static COUNT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local now = redis.call('TIME')
         now = now[1] * 1000 + math.floor(now[2] / 1000)
         local function add(metrics, sign)
           for metric, n in pairs(cjson.decode(metrics)) do
             -- The negative of zero is no integer there.
             if n ~= 0 and redis.call('HINCRBY', KEYS[3], metric, sign * n) <= 0 then
               redis.call('HDEL', KEYS[3], metric)
             end
           end
         end
         local function take_off(endpoint)
           local metrics = redis.call('HGET', KEYS[2], endpoint)
           if metrics then add(metrics, -1) end
           redis.call('HDEL', KEYS[2], endpoint)
           redis.call('ZREM', KEYS[1], endpoint)
         end
         local own = cjson.decode(ARGV[2])
         local had = cjson.decode(redis.call('HGET', KEYS[2], ARGV[1]) or '{}')
         for metric, at in pairs(cjson.decode(ARGV[3])) do
           local more, all = own[metric] - (had[metric] or 0), tonumber(redis.call('HGET', KEYS[3], metric) or 0)
           if more > 0 and all > at[2] and all + more > at[1] then return 1 end
         end
         take_off(ARGV[1])
         redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
         redis.call('ZADD', KEYS[1], now, ARGV[1])
         add(ARGV[2], 1)
         for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[4], 'LIMIT', 0, 10)) do
           take_off(gone)
         end
         for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, 2 * ARGV[4]) end
         return 0",
    )
});

/// `labels`, a HyperLogLog of the target's; the label it is of, how many labels there may be, milliseconds to
/// live, hashes. Of too many labels those with most values stay.
pub static MEET: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if not redis.call('ZSCORE', KEYS[1], ARGV[1]) and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then
           local fewest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
           if tonumber(fewest[2]) >= #ARGV - 3 then return 0 end
           redis.call('ZREM', KEYS[1], fewest[1])
         end
         redis.call('PFADD', KEYS[2], unpack(ARGV, 4))
         redis.call('ZADD', KEYS[1], redis.call('PFCOUNT', KEYS[2]), ARGV[1])
         redis.call('PEXPIRE', KEYS[2], ARGV[3])
         return redis.call('PEXPIRE', KEYS[1], ARGV[3])",
    )
});

/// `labels`; what the HyperLogLogs of this and the last generation are called before the label. Gives labels, and
/// how many values each has had in both.
pub static VALUES: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local counts = {}
         for _, label in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
           local values = redis.call('PFCOUNT', ARGV[1] .. label, ARGV[2] .. label)
           if values > 0 then counts[#counts + 1] = {label, values} else redis.call('ZREM', KEYS[1], label) end
         end
         return counts",
    )
});

using System.Buffers.Binary;
using System.Security.Cryptography;
using OrleansPd.Cluster.Rooms;
using StackExchange.Redis;

namespace OrleansPd.Server.Redis;

/// <summary>
/// Rooms in Redis: one hash per shard, with a field per room and one that names the writer. Each write is one transaction on the
/// condition that the writer is still the named one: of two activations of a shard only the later one can store.
/// </summary>
internal sealed class RedisRoomLog(IDatabase redis, string service) : IRoomLog
{
    private static readonly RedisValue Writer = "writer";
    private static readonly TimeSpan Margin = TimeSpan.FromMinutes(5);

    public async Task<RoomLogOpened> OpenAsync(int shard, CancellationToken cancellationToken)
    {
        var key = RedisKeys.Rooms(service, shard);
        var writer = BinaryPrimitives.ReadInt64LittleEndian(RandomNumberGenerator.GetBytes(sizeof(long)));
        // One transaction: what an older writer stores is either read here or refused.
        var transaction = redis.CreateTransaction();
        _ = transaction.HashSetAsync(key, Writer, writer);
        var reading = transaction.HashGetAllAsync(key);
        await transaction.ExecuteAsync().WaitAsync(cancellationToken);
        var fields = await reading;
        return new RoomLogOpened(writer, [.. fields.Where(f => f.Name != Writer).Select(Entry)]);
    }

    public async Task<RoomLogAnswer> WriteAsync(
        int shard, long writer, IReadOnlyList<RoomEntry> stored, IReadOnlyList<long> dropped, CancellationToken cancellationToken)
    {
        var key = RedisKeys.Rooms(service, shard);
        var mine = stored.Count + dropped.Count == 0
            ? await redis.HashGetAsync(key, Writer).WaitAsync(cancellationToken) == writer
            : await CommitAsync(key, Condition.HashEqual(key, Writer, writer), null, stored, dropped, cancellationToken);
        return mine ? RoomLogAnswer.Written
            : await redis.HashExistsAsync(key, Writer).WaitAsync(cancellationToken) ? RoomLogAnswer.Superseded
            : RoomLogAnswer.Lost;
    }

    public Task<bool> RefillAsync(int shard, long writer, IReadOnlyList<RoomEntry> all, CancellationToken cancellationToken)
    {
        var key = RedisKeys.Rooms(service, shard);
        return CommitAsync(key, Condition.HashNotExists(key, Writer), writer, all, [], cancellationToken);
    }

    private async Task<bool> CommitAsync(
        RedisKey key, Condition condition, long? writer, IReadOnlyList<RoomEntry> stored, IReadOnlyList<long> dropped,
        CancellationToken cancellationToken)
    {
        var transaction = redis.CreateTransaction();
        transaction.AddCondition(condition);
        if (writer is { } name)
            _ = transaction.HashSetAsync(key, Writer, name);
        if (stored.Count > 0)
        {
            _ = transaction.HashSetAsync(key, [.. stored.Select(Field)]);
            // So that a cluster that is never started again leaves nothing in Redis.
            _ = transaction.KeyExpireAsync(key, stored.Max(e => e.Deadline).UtcDateTime + Margin);
        }
        if (dropped.Count > 0)
            _ = transaction.HashDeleteAsync(key, [.. dropped.Select(room => (RedisValue)room)]);
        return await transaction.ExecuteAsync().WaitAsync(cancellationToken);
    }

    private static HashEntry Field(RoomEntry entry) =>
        new(entry.Room, string.Create(CultureInfo.InvariantCulture, $"{entry.Rank} {entry.Deadline.ToUnixTimeMilliseconds()}"));

    private static RoomEntry Entry(HashEntry field)
    {
        var text = field.Value.ToString();
        var space = text.IndexOf(' ', StringComparison.Ordinal);
        return new RoomEntry(
            (long)field.Name,
            int.Parse(text.AsSpan(0, space), CultureInfo.InvariantCulture),
            DateTimeOffset.FromUnixTimeMilliseconds(long.Parse(text.AsSpan(space + 1), CultureInfo.InvariantCulture)));
    }
}

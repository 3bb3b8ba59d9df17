using System.Buffers.Binary;
using OrleansPd.Cluster.Rooms;
using OrleansPd.Core.Rooms;
using StackExchange.Redis;

namespace OrleansPd.Silo.Redis;

/// <summary>
/// Registered rooms in Redis: one hash for each shard, a field for each room. A hash that nobody writes to any more expires with the
/// youngest room in it, so nothing is left of a cluster that is gone.
/// </summary>
internal sealed class RedisRoomLog(IConnectionMultiplexer redis, string serviceId) : IRoomLog
{
    private static readonly TimeSpan Margin = TimeSpan.FromMinutes(5);

    public async Task<IReadOnlyList<RoomEntry>> ReadAsync(int shard, CancellationToken cancellationToken)
    {
        var fields = await redis.GetDatabase().HashGetAllAsync(Key(shard)).WaitAsync(cancellationToken).ConfigureAwait(false);
        var entries = new List<RoomEntry>(fields.Length);
        foreach (var field in fields)
        {
            byte[] value = field.Value!;
            if (value.Length == 12 && field.Name.TryParse(out long room))
            {
                var deadline = DateTimeOffset.FromUnixTimeMilliseconds(BinaryPrimitives.ReadInt64LittleEndian(value.AsSpan(4)));
                entries.Add(new(room, BinaryPrimitives.ReadInt32LittleEndian(value), deadline));
            }
        }
        return entries;
    }

    public async Task WriteAsync(
        int shard, IReadOnlyList<RoomEntry> stored, IReadOnlyList<long> dropped, CancellationToken cancellationToken)
    {
        if (stored.Count == 0 && dropped.Count == 0)
        {
            return;
        }
        var key = Key(shard);
        var transaction = redis.GetDatabase().CreateTransaction();
        if (stored.Count > 0)
        {
            _ = transaction.HashSetAsync(key, [.. stored.Select(Field)]);
            _ = transaction.KeyExpireAsync(key, stored.Max(e => e.Deadline).UtcDateTime + Margin);
        }
        if (dropped.Count > 0)
        {
            _ = transaction.HashDeleteAsync(key, [.. dropped.Select(room => (RedisValue)room)]);
        }
        await transaction.ExecuteAsync().WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    private static HashEntry Field(RoomEntry entry)
    {
        var value = new byte[12];
        BinaryPrimitives.WriteInt32LittleEndian(value, entry.Rank);
        BinaryPrimitives.WriteInt64LittleEndian(value.AsSpan(4), entry.Deadline.ToUnixTimeMilliseconds());
        return new HashEntry(entry.Room, value);
    }

    private RedisKey Key(int shard) => $"{serviceId}/orleanspd/rooms/{shard}";
}

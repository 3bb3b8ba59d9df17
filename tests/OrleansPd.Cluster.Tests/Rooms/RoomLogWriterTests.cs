using OrleansPd.Cluster.Rooms;
using OrleansPd.Cluster.Tests.Support;
using OrleansPd.Core.Rooms;

namespace OrleansPd.Cluster.Tests.Rooms;

public class RoomLogWriterTests
{
    private static readonly DateTimeOffset Later = DateTimeOffset.UnixEpoch.AddYears(100);
    private readonly MemoryRoomLog _memory = new();

    [Fact]
    public async Task Changes_during_a_write_share_the_next_one()
    {
        var log = new SlowLog(_memory);
        var (writer, _) = await OpenAsync(log);
        writer.Store(Entry(1));
        var first = writer.CommitAsync();
        var others = new List<Task>();
        for (var room = 2; room <= 100; room++)
        {
            writer.Store(Entry(room));
            others.Add(writer.CommitAsync());
        }
        Assert.False(first.IsCompleted);
        log.Go();
        await first;
        Assert.All(others, other => Assert.False(other.IsCompleted));
        log.Go();
        await Task.WhenAll(others);
        Assert.Equal(2, writer.Writes);
        Assert.Equal(100, (await _memory.OpenAsync(0, ClusterStage.Token)).Entries.Count);
    }

    [Fact]
    public async Task Of_two_writers_the_later_one_stores()
    {
        var (old, _) = await OpenAsync(_memory);
        var (young, _) = await OpenAsync(_memory);
        old.Store(Entry(1));
        await Assert.ThrowsAsync<InvalidOperationException>(old.CommitAsync);
        Assert.True(old.IsSuperseded);
        young.Store(Entry(2));
        await young.CommitAsync();
        Assert.Equal([2L], (await _memory.OpenAsync(0, ClusterStage.Token)).Entries.Select(e => e.Room));
    }

    [Fact]
    public async Task A_log_that_was_emptied_is_filled_again_with_everything()
    {
        var (writer, all) = await OpenAsync(_memory);
        all.AddRange([Entry(1), Entry(2)]);
        all.ForEach(writer.Store);
        await writer.CommitAsync();
        _memory.Clear();
        await writer.CommitAsync(); // with nothing to write
        Assert.Equal(1, writer.Refills);
        Assert.Equal([1L, 2L], (await _memory.OpenAsync(0, ClusterStage.Token)).Entries.Select(e => e.Room).Order());
    }

    [Fact]
    public async Task An_empty_shard_that_the_log_has_dropped_is_no_loss()
    {
        var (writer, all) = await OpenAsync(_memory);
        all.Add(Entry(1));
        writer.Store(Entry(1));
        await writer.CommitAsync();
        all.Clear();
        writer.Drop(1);
        await writer.CommitAsync();
        _memory.Clear(); // as Redis expires the hash of a shard, 5 min after its last room
        all.Add(Entry(2));
        writer.Store(Entry(2));
        await writer.CommitAsync();
        Assert.Equal(0, writer.Refills);
        Assert.Equal([2L], (await _memory.OpenAsync(0, ClusterStage.Token)).Entries.Select(e => e.Room));
    }

    [Fact]
    public async Task Changes_of_a_failed_write_are_stored_with_the_next_one()
    {
        var log = new SlowLog(_memory) { Failure = new IOException("away") };
        var (writer, _) = await OpenAsync(log);
        writer.Store(Entry(1));
        log.Go();
        await Assert.ThrowsAsync<IOException>(writer.CommitAsync);
        Assert.True(writer.HasWork);
        log.Failure = null;
        log.Go();
        await writer.CommitAsync();
        Assert.False(writer.HasWork);
        Assert.Single((await _memory.OpenAsync(0, ClusterStage.Token)).Entries);
    }

    private static async Task<(RoomLogWriter Writer, List<RoomEntry> All)> OpenAsync(IRoomLog log)
    {
        var all = new List<RoomEntry>();
        return (new RoomLogWriter(log, 0, (await log.OpenAsync(0, ClusterStage.Token)).Writer, () => all, TimeProvider.System), all);
    }

    private static RoomEntry Entry(long room) => new(room, 3, Later);

    /// <summary>Each write waits until it may go.</summary>
    private sealed class SlowLog(IRoomLog log) : IRoomLog
    {
        private readonly SemaphoreSlim _may = new(0);

        public Exception? Failure { get; set; }

        public void Go() => _may.Release();

        public Task<RoomLogOpened> OpenAsync(int shard, CancellationToken cancellationToken) =>
            log.OpenAsync(shard, cancellationToken);

        public async Task<RoomLogAnswer> WriteAsync(
            int shard, long writer, IReadOnlyList<RoomEntry> stored, IReadOnlyList<long> dropped,
            CancellationToken cancellationToken)
        {
            await _may.WaitAsync(TestContext.Current.CancellationToken);
            return Failure is null ? await log.WriteAsync(shard, writer, stored, dropped, cancellationToken) : throw Failure;
        }

        public Task<bool> RefillAsync(
            int shard, long writer, IReadOnlyList<RoomEntry> all, CancellationToken cancellationToken) =>
            log.RefillAsync(shard, writer, all, cancellationToken);
    }
}

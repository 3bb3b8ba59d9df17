using Orleans.Placement;
using OrleansPd.Cluster.Options;

namespace OrleansPd.Cluster.Benchmarks;

/// <summary>The way not taken: each room is a grain that stores itself and expires by a timer of its own.</summary>
[Alias("bench.IRoomAlone")]
internal interface IRoomAlone : IGrainWithIntegerKey
{
    /// <summary>True: stored. False: another rank has it.</summary>
    [Alias("Register")]
    Task<bool> Register(int rank);

    /// <summary>The rank that has it; -1 where unknown.</summary>
    [Alias("Query")]
    Task<int> Query();
}

[GenerateSerializer, Alias("bench.RoomRecord")]
internal sealed class RoomRecord
{
    [Id(0)]
    public int Rank { get; set; }

    [Id(1)]
    public DateTimeOffset Deadline { get; set; }
}

/// <summary>Placed at random, so that half of them die with one of two silos.</summary>
[RandomPlacement]
internal sealed class RoomAloneGrain(
    [PersistentState("room", PdClusterOptions.Storage)] IPersistentState<RoomRecord> room, TimeProvider time) : Grain, IRoomAlone
{
    private IGrainTimer? _expiry;

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        if (room.RecordExists)
            Watch();
        return Task.CompletedTask;
    }

    public async Task<bool> Register(int rank)
    {
        if (IsLive && room.State.Rank != rank)
            return false;
        room.State = new RoomRecord { Rank = rank, Deadline = time.GetUtcNow() + BenchSilo.RoomTtl };
        await room.WriteStateAsync();
        Watch();
        return true;
    }

    public Task<int> Query() => Task.FromResult(IsLive ? room.State.Rank : -1);

    private bool IsLive => room.RecordExists && room.State.Deadline > time.GetUtcNow();

    private void Watch()
    {
        _expiry?.Dispose();
        var left = room.State.Deadline - time.GetUtcNow();
        var due = left > TimeSpan.Zero ? left : TimeSpan.Zero;
        _expiry = this.RegisterGrainTimer(
            ExpireAsync, new() { DueTime = due, Period = Timeout.InfiniteTimeSpan, KeepAlive = true });
    }

    private async Task ExpireAsync(CancellationToken cancellationToken)
    {
        await room.ClearStateAsync(cancellationToken);
        DeactivateOnIdle();
    }
}

/// <summary>Something that a reminder wakes: a room, or a shard of rooms.</summary>
[Alias("bench.IWoken")]
internal interface IWoken : IGrainWithIntegerKey
{
    [Alias("Remind")]
    Task Remind(TimeSpan period);

    [Alias("Forget")]
    Task Forget();
}

/// <summary>Placed at random; who lives in this process notes when it is woken.</summary>
[RandomPlacement]
internal sealed class WokenGrain(Wakings wakings) : Grain, IWoken, IRemindable
{
    private const string Reminder = "expire";

    public Task Remind(TimeSpan period) => this.RegisterOrUpdateReminder(Reminder, period, period);

    public async Task Forget()
    {
        if (await this.GetReminder(Reminder) is { } reminder)
            await this.UnregisterReminder(reminder);
    }

    public Task ReceiveReminder(string reminderName, TickStatus status)
    {
        wakings.Woken(this.GetPrimaryKeyLong());
        return Task.CompletedTask;
    }
}

using System.Collections.Immutable;
using OrleansPd.Client.Contracts;
using OrleansPd.Cluster.Rooms;
using OrleansPd.Core;
using OrleansPd.Core.Rooms;

namespace OrleansPd.Cluster.Grains;

/// <summary>
/// The shell around one <see cref="RoomShard"/>. Calls interleave: each changes the state at once and then waits for a write that
/// contains its change, so nothing is read again after the wait. A grain timer expires rooms while there are any; a reminder
/// wakes a shard whose silo died, which then reads what is stored.
/// </summary>
internal sealed class BootstrapRoomGrain(ControlPlaneOptions controlPlane, ClusterOptions options, IRoomLog log, PdTime time)
    : Grain, IBootstrapRoomGrain, IRemindable
{
    private const string Reminder = "expire";
    private const int DroppedPerSweep = 16_384;
    private static readonly TimeSpan SweepInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ReminderPeriod = TimeSpan.FromMinutes(1);
    private RoomShard _shard = null!;
    private RoomLogWriter _writer = null!;
    private IGrainTimer? _sweep;
    private Task? _reminder;

    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        var number = (int)this.GetPrimaryKeyLong();
        _shard = new RoomShard(TimeSpan.FromSeconds(controlPlane.RoomTtlSecs), Math.Max(1, controlPlane.MaxRooms / options.RoomShards));
        _writer = new RoomLogWriter(log, number);
        foreach (var entry in await log.ReadAsync(number, cancellationToken))
        {
            _shard.Restore(entry, time.Now);
            if (entry.Deadline <= time.Now)
            {
                _writer.Drop(entry.Room);
            }
        }
        Watch();
    }

    public async Task<ImmutableArray<byte>> Register(ImmutableArray<RoomClaim> claims)
    {
        var now = time.Now;
        var answers = ImmutableArray.CreateBuilder<byte>(claims.Length);
        foreach (var claim in claims)
        {
            var answer = _shard.Register(claim.Room, claim.Rank, now, out var entry);
            answers.Add((byte)answer);
            if (answer == RankRegistration.Stored)
            {
                _writer.Store(entry);
            }
        }
        Watch();
        // The first registrations wait for the reminder too: without it nobody would wake the shard after a crash.
        await Task.WhenAll(_writer.CommitAsync(), _reminder ??= RemindAsync());
        return answers.MoveToImmutable();
    }

    public Task<ImmutableArray<int>> Query(ImmutableArray<long> rooms)
    {
        var now = time.Now;
        return Task.FromResult(rooms.Select(room => _shard.Query(room, now)).ToImmutableArray());
    }

    public Task ReceiveReminder(string reminderName, TickStatus status)
    {
        _reminder ??= Task.CompletedTask; // it is there; being woken was its whole purpose
        Watch();
        return Task.CompletedTask;
    }

    private async Task RemindAsync()
    {
        try
        {
            await this.RegisterOrUpdateReminder(Reminder, ReminderPeriod, ReminderPeriod);
        }
        catch
        {
            _reminder = null;
            throw;
        }
    }

    private void Watch() =>
        _sweep ??= this.RegisterGrainTimer(SweepAsync, new() { DueTime = SweepInterval, Period = SweepInterval, Interleave = true, KeepAlive = true });

    private async Task SweepAsync(CancellationToken cancellationToken)
    {
        var gone = new List<long>();
        _shard.Expire(time.Now, DroppedPerSweep, gone);
        gone.ForEach(_writer.Drop);
        if (_writer.HasWork)
        {
            await _writer.CommitAsync();
        }
        if (_shard.Count == 0 && !_writer.HasWork)
        {
            _sweep?.Dispose();
            _sweep = null;
            await ForgetReminderAsync();
        }
    }

    /// <summary>An empty shard need not be woken.</summary>
    private async Task ForgetReminderAsync()
    {
        _reminder = null;
        if (await this.GetReminder(Reminder) is { } reminder && _shard.Count == 0)
        {
            await this.UnregisterReminder(reminder);
        }
    }
}

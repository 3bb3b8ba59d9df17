using Microsoft.Extensions.Options;
using OrleansPd.Cluster.Rooms;

namespace OrleansPd.Cluster.Grains;

/// <summary>
/// The grain of one <see cref="RoomShard"/>. Calls interleave: each changes the state immediately, then waits for a write that
/// contains its change and reads no state afterwards. A grain timer expires rooms while there are any; a reminder activates a
/// shard whose silo died, which then loads the stored rooms. Of two activations the later one owns the log; the other cannot
/// acknowledge anything and ends.
/// </summary>
[GrainType("bootstraproom")]
internal sealed class BootstrapRoomGrain(
    ControlPlaneOptions controlPlane, PdClusterOptions options, IOptions<ReminderOptions> reminders, IRoomLog log, PdTime time,
    ILogger<BootstrapRoomGrain> logger) : Grain, IBootstrapRoomGrain, IRemindable
{
    private const string Reminder = "expire";
    private const int DroppedPerSweep = 16_384;
    private static readonly TimeSpan SweepInterval = TimeSpan.FromSeconds(1);
    // The shortest period that Orleans allows: one minute.
    private readonly TimeSpan _reminderPeriod = reminders.Value.MinimumReminderPeriod;
    private RoomShard _shard = null!;
    private RoomLogWriter _writer = null!;
    private IGrainTimer? _sweep;
    private Task? _reminder;
    private bool _forgetsReminder;
    private long _refills;

    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        var number = (int)this.GetPrimaryKeyLong();
        var max = Math.Max(1, controlPlane.MaxRooms / options.RoomShards);
        _shard = new RoomShard(TimeSpan.FromSeconds(controlPlane.RoomTtlSecs), max);
        var opened = await log.OpenAsync(number, cancellationToken);
        _writer = new RoomLogWriter(log, number, opened.Writer, () => _shard.Entries, time.Clock);
        foreach (var entry in opened.Entries)
        {
            _shard.Restore(entry, time.Now);
            if (entry.Deadline <= time.Now)
                _writer.Drop(entry.Room);
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
                _writer.Store(entry);
        }
        Watch();
        // The first registrations wait for the reminder too: without it nothing would activate the shard after a crash.
        await Task.WhenAll(CommitAsync(), _reminder ??= RemindAsync());
        return answers.MoveToImmutable();
    }

    public Task<ImmutableArray<int>> Query(ImmutableArray<long> rooms)
    {
        var now = time.Now;
        return Task.FromResult(rooms.Select(room => _shard.Query(room, now)).ToImmutableArray());
    }

    public Task ReceiveReminder(string reminderName, TickStatus status)
    {
        if (!_forgetsReminder)
        {
            _reminder ??= Task.CompletedTask; // it exists; its only purpose is to activate the shard
        }
        Watch();
        return Task.CompletedTask;
    }

    private async Task CommitAsync()
    {
        try
        {
            await _writer.CommitAsync();
        }
        catch when (_writer.IsSuperseded)
        {
            DeactivateOnIdle();
            throw;
        }
        if (_writer.Refills != _refills)
        {
            // The storage that lost the rooms has probably lost the reminder too.
            _refills = _writer.Refills;
            Log.StoredAgain(logger, $"shard {this.GetPrimaryKeyLong()} of the rooms");
            await (_reminder = RemindAsync());
        }
    }

    private async Task RemindAsync()
    {
        try
        {
            await this.RegisterOrUpdateReminder(Reminder, _reminderPeriod, _reminderPeriod);
        }
        catch
        {
            _reminder = null;
            throw;
        }
    }

    private void Watch() =>
        _sweep ??= this.RegisterGrainTimer(
            SweepAsync, new() { DueTime = SweepInterval, Period = SweepInterval, Interleave = true, KeepAlive = true });

    private async Task SweepAsync(CancellationToken cancellationToken)
    {
        var gone = new List<long>();
        _shard.Expire(time.Now, DroppedPerSweep, gone);
        gone.ForEach(_writer.Drop);
        try
        {
            // Also with nothing to write, so that a lost log is detected while its rooms are valid.
            await CommitAsync();
        }
        catch (Exception e)
        {
            Log.NotStored(logger, $"shard {this.GetPrimaryKeyLong()} of the rooms", e.Message);
            return; // retried at the next sweep
        }
        if (_shard.Count == 0 && !_writer.HasWork)
        {
            _sweep?.Dispose();
            _sweep = null;
            await ForgetReminderAsync();
        }
    }

    /// <summary>An empty shard needs no reminder.</summary>
    private async Task ForgetReminderAsync()
    {
        _reminder = null;
        _forgetsReminder = true;
        try
        {
            if (await this.GetReminder(Reminder) is { } reminder && _shard.Count == 0)
                await this.UnregisterReminder(reminder);
        }
        finally
        {
            _forgetsReminder = false;
        }
    }
}

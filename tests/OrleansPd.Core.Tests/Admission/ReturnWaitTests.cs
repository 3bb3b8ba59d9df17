using OrleansPd.Core.Requests;
using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Tests.Admission;

/// <summary>Requests wait for workers that have just become unusable, for the configured time.</summary>
public sealed class ReturnWaitTests
{
    private static readonly PairRequest Patient = new() { MaxWait = TimeSpan.FromMinutes(5) };

    [Fact]
    public void The_wait_counts_from_when_the_worker_went_and_ends_when_it_is_back()
    {
        var (fleet, prefill) = Away();
        fleet.Now += TimeSpan.FromSeconds(3);
        var waiting = fleet.Ask(Patient).Waiting!;
        Assert.Equal(fleet.Now.AddSeconds(7), waiting.ReturnBy);
        Back(fleet, prefill);
        Assert.Equal(waiting, Assert.Single(fleet.Granted()));
        Assert.NotNull(waiting.Grant!.Value.Lease);
        Assert.Equal(0, fleet.State.Waiting);
    }

    [Fact]
    public void A_wait_in_vain_ends_with_the_reason_and_later_requests_are_refused_immediately()
    {
        var (fleet, _) = Away();
        var waiting = fleet.Ask(Patient).Waiting!;
        fleet.Now += TimeSpan.FromSeconds(9);
        Tick(fleet);
        Assert.Empty(fleet.Granted());
        fleet.Now += TimeSpan.FromSeconds(1);
        Tick(fleet);
        Assert.Equal(waiting, Assert.Single(fleet.Granted()));
        Assert.Equal(RefusalReason.NoPrefill, waiting.Grant!.Value.Refusal!.Reason);
        Assert.Equal(RefusalReason.NoPrefill, fleet.Refused(Patient).Reason);
    }

    [Fact]
    public void The_request_s_own_patience_and_the_queue_s_bounds_hold()
    {
        var (fleet, _) = Away(queueSize: 1);
        Assert.Equal(RefusalReason.NoPrefill, fleet.Refused().Reason); // no patience at all
        Assert.Equal(TimeSpan.FromSeconds(2), fleet.Ask(Patient with { MaxWait = TimeSpan.FromSeconds(2) }).Waiting!.Wait);
        Assert.Equal(RefusalReason.NoPrefill, fleet.Refused(Patient).Reason); // the queue is full
    }

    [Fact]
    public void When_the_workers_are_back_and_full_the_request_waits_for_capacity()
    {
        var (fleet, prefill) = Away();
        var waiting = Enumerable.Range(0, 6).Select(_ => fleet.Ask(Patient).Waiting!).ToArray();
        Assert.All(waiting, w => Assert.Equal(Patient.MaxWait, w.Wait));
        Back(fleet, prefill);
        var served = fleet.Granted();
        Assert.Equal(4, served.Count); // the slots there are
        fleet.Now += TimeSpan.FromSeconds(11);
        Tick(fleet);
        Assert.Empty(fleet.Granted());
        fleet.EndBoth(served[0].Grant!.Value.Lease!);
        Assert.NotNull(Assert.Single(fleet.Granted()).Grant!.Value.Lease);
    }

    [Fact]
    public void A_retry_does_not_wait_and_neither_does_anybody_where_it_is_off()
    {
        Assert.Equal(RefusalReason.NoPrefill, Away().Fleet.Refused(Patient with { Attempt = 1 }).Reason);
        Assert.Equal(RefusalReason.NoPrefill, Away(seconds: 0).Fleet.Refused(Patient).Reason);
    }

    [Fact]
    public void No_request_waits_for_workers_that_never_served_or_that_drain()
    {
        var fleet = new TestFleet().With(0, 1);
        fleet.Add(WorkerRole.Prefill, "p0", ready: false);
        Assert.Equal(RefusalReason.NoPrefill, fleet.Refused(Patient).Reason);

        fleet = new TestFleet().With(1, 1);
        var lease = fleet.Take(); // keeps it from being gone at once
        fleet.Apply(fleet.State.Fleet.Prefill[0].Id, new WorkerInput.Drain());
        Assert.Equal(RefusalReason.NoPrefill, fleet.Refused(Patient).Reason);
        fleet.EndBoth(lease);
    }

    [Fact]
    public void An_open_breaker_is_waited_for_and_the_next_worker_of_its_slot_is_not()
    {
        var fleet = new TestFleet(new() { Policy = "least_load", CbFailureThreshold = 1, CbTimeoutDurationSecs = 5 }).With(1, 1);
        fleet.EndBoth(fleet.Take(), LegOutcome.Failed);
        Assert.Equal(WorkerPhase.Broken, fleet.State.Fleet.Prefill[0].Phase);
        var waiting = fleet.Ask(Patient).Waiting!;
        Assert.Equal(fleet.Now.AddSeconds(10), waiting.ReturnBy);
        Assert.True(fleet.State.Abandon(waiting, fleet.Now, fleet.Timestamp));

        fleet.Apply(fleet.State.Fleet.Prefill[0].Id, new WorkerInput.Remove());
        fleet.Add(WorkerRole.Prefill, "other", ready: false);
        Assert.Equal(RefusalReason.NoWorkers, fleet.Refused(Patient).Reason);
    }

    private static (TestFleet Fleet, WorkerId Prefill) Away(int seconds = 10, int queueSize = 100)
    {
        var fleet = new TestFleet(new() { Policy = "least_load", ReturnWaitSecs = seconds, QueueSize = queueSize }).With(1, 1);
        var prefill = fleet.State.Fleet.Prefill[0].Id;
        fleet.Now += TimeSpan.FromHours(1);
        fleet.Apply(prefill, new WorkerInput.Missed("refused", Refused: true));
        fleet.Apply(prefill, new WorkerInput.Missed("refused", Refused: true));
        Assert.Equal(WorkerPhase.Registered, fleet.SnapshotOf(prefill).Phase);
        return (fleet, prefill);
    }

    private static void Tick(TestFleet fleet) => fleet.State.Tick(fleet.Now, fleet.Timestamp, TimeSpan.TicksPerSecond);

    private static void Back(TestFleet fleet, WorkerId id)
    {
        fleet.Apply(id, new WorkerInput.Described(TestFleet.Facts()));
        fleet.Apply(id, new WorkerInput.ReadinessPassed(1));
    }
}

using OrleansPd.Core.Admission;
using OrleansPd.Core.Policies;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Workers;
using OrleansPd.Testing;

namespace OrleansPd.Core.Tests.Admission;

public sealed class AdmissionTests
{
    [Fact]
    public void A_decode_rank_never_holds_more_than_its_slots()
    {
        var fleet = new TestFleet().With(2, 2, dp: 2, slots: 3);
        var leases = Enumerable.Range(0, 12).Select(_ => fleet.Take()).ToArray();
        Assert.All(leases.GroupBy(l => (l.Decode.Id, l.DecodeRank)), g => Assert.Equal(3, g.Count()));
        Assert.Equal(RefusalReason.QueueTimeout, fleet.Refused().Reason);
        fleet.End(leases[0], LegSide.Prefill);
        Assert.Equal(RefusalReason.QueueTimeout, fleet.Refused().Reason); // the slot is decode's, and decode still runs
        fleet.End(leases[0], LegSide.Decode);
        Assert.Equal((leases[0].Decode.Id, leases[0].DecodeRank), fleet.Take() is var l ? (l.Decode.Id, l.DecodeRank) : default);
    }

    [Fact]
    public void A_prefill_rank_takes_no_more_backlog_than_configured_but_always_one_request()
    {
        var fleet = new TestFleet(new() { Policy = "least_load", MaxPrefillTokensPerRank = 1000 }).With(1, 1, slots: 100);
        var big = fleet.Take(new PairRequest { PromptTokens = 5000 });
        Assert.Equal(RefusalReason.QueueTimeout, fleet.Refused(new PairRequest { PromptTokens = 10 }).Reason);
        fleet.End(big, LegSide.Prefill); // decode goes on
        fleet.Take(new PairRequest { PromptTokens = 600 });
        Assert.Equal(RefusalReason.QueueTimeout, fleet.Refused(new PairRequest { PromptTokens = 600 }).Reason);
        fleet.Take(new PairRequest { PromptTokens = 400 });
    }

    [Fact]
    public void In_any_interleaving_no_capacity_is_exceeded_and_all_credits_are_returned() =>
        SeededRandom.ForEachSeed(60, random =>
    {
        var policy = PolicyTable.Names[random.Next(PolicyTable.Names.Count)];
        var fleet = new TestFleet(
            new() { Policy = policy, DecodePolicy = policy, PrefixIndexBlocks = 1024, QueueSize = 20 }, random.Next());
        fleet.With(random.Next(1, 4), random.Next(1, 4), dp: random.Next(1, 4), slots: random.Next(1, 6));
        var live = new List<PairLease>();
        var waiting = new List<WaitingRequest>();
        for (var step = 0; step < 400; step++)
        {
            fleet.Now = fleet.Now.AddMilliseconds(random.Next(50));
            switch (random.Next(6))
            {
                case 0 or 1 or 2:
                    var answer = fleet.Ask(new PairRequest
                    {
                        Items = random.Next(4) == 0 ? random.Next(1, 7) : 1,
                        PromptTokens = random.Next(5000),
                        SessionKey = (ulong)random.Next(5),
                        PrefixBlocks = Enumerable.Range(0, random.Next(80)).Select(i => (ulong)((i + 1) * 7919)).ToArray(),
                        Priority = random.Next(3),
                        MaxWait = TimeSpan.FromSeconds(random.Next(2) * 10),
                    });
                    if (answer.Grant?.Lease is { } lease)
                        live.Add(lease);
                    if (answer.Waiting is not null)
                        waiting.Add(answer.Waiting);
                    break;
                case 3 or 4 when live.Count > 0:
                    var ended = live[random.Next(live.Count)];
                    fleet.End(ended, (LegSide)random.Next(2), (LegOutcome)random.Next(3));
                    break;
                case 5 when waiting.Count > 0:
                    var left = waiting[random.Next(waiting.Count)];
                    _ = random.Next(2) == 0
                        ? fleet.State.Abandon(left, fleet.Now, fleet.Timestamp)
                        : fleet.State.TimedOut(left, fleet.Now, fleet.Timestamp);
                    break;
                default:
                    break;
            }
            foreach (var granted in fleet.Granted())
            {
                live.Add(granted.Grant!.Value.Lease!);
                Assert.Contains(granted, waiting);
            }
            foreach (var worker in fleet.State.Fleet.Workers)
            {
                for (var rank = 0; rank < worker.DpSize; rank++)
                {
                    var load = fleet.State.Admission.Catalog.Load(worker.Slot, rank);
                    Assert.InRange(load.Running, 0, load.Capacity);
                }
            }
        }
        fleet.State.Stop();
        live.ForEach(l => fleet.EndBoth(l, LegOutcome.Neutral));
        Assert.Equal((0, 0), (fleet.State.Live, fleet.State.Waiting));
        Assert.All(fleet.State.Fleet.Workers, w =>
            Assert.Equal((0, 0L), (fleet.State.InFlight(w.Id), fleet.State.Admission.Catalog.Load(w.Slot, 0).Tokens)));
        Assert.Equal(live.Sum(l => l.Rooms.Length), live.SelectMany(l => l.Rooms.ToArray()).Distinct().Count());
    });

    [Fact]
    public void A_second_report_of_a_leg_changes_nothing()
    {
        var fleet = new TestFleet().With(1, 1, slots: 2);
        var lease = fleet.Take();
        fleet.Take();
        Assert.True(fleet.End(lease, LegSide.Decode));
        Assert.False(fleet.End(lease, LegSide.Decode, LegOutcome.Failed));
        Assert.Equal(1, fleet.State.InFlight(lease.Decode.Id));
    }

    [Fact]
    public void Waiting_requests_are_served_by_priority_then_by_arrival()
    {
        var fleet = new TestFleet().With(1, 1, slots: 1);
        var lease = fleet.Take();
        var late = fleet.Wait(new PairRequest { Priority = 0, RequestId = "late" });
        var later = fleet.Wait(new PairRequest { Priority = 0, RequestId = "later" });
        var first = fleet.Wait(new PairRequest { Priority = 5, RequestId = "first" });
        var order = new List<WaitingRequest>();
        for (var i = 0; i < 3; i++)
        {
            fleet.EndBoth(lease);
            var granted = Assert.Single(fleet.Granted());
            order.Add(granted);
            lease = granted.Grant!.Value.Lease!;
        }
        Assert.Equal([first, late, later], order);
    }

    [Fact]
    public void A_new_request_does_not_overtake_waiting_ones()
    {
        var fleet = new TestFleet().With(1, 1, slots: 2);
        var leases = new[] { fleet.Take(), fleet.Take() };
        var batch = fleet.Wait(new PairRequest { Items = 2 });
        fleet.EndBoth(leases[0]);
        Assert.Empty(fleet.Granted());
        fleet.Take(new PairRequest { MaxWait = TimeSpan.FromSeconds(1) }); // it fits where the batch does not: passes, counted
        Assert.Equal(1, batch.Passed);
    }

    [Fact]
    public void A_batch_that_was_passed_often_enough_is_passed_no_more()
    {
        var fleet = new TestFleet().With(1, 1, slots: 2);
        var (left, right) = (fleet.Take(), fleet.Take());
        var batch = fleet.Wait(new PairRequest { Items = 2 });
        fleet.EndBoth(left);
        for (var i = 0; i < 64; i++)
        {
            left = fleet.Take(new PairRequest { MaxWait = TimeSpan.FromSeconds(1) });
            fleet.EndBoth(left);
        }
        fleet.Wait(new PairRequest());
        fleet.EndBoth(right);
        Assert.Same(batch, fleet.Granted()[0]);
    }

    [Fact]
    public void A_full_model_does_not_hold_up_another()
    {
        var fleet = new TestFleet();
        foreach (var model in new[] { "a", "b" })
        {
            fleet.Add(WorkerRole.Prefill, $"p-{model}", TestFleet.Facts(model: model, slots: 1));
            fleet.Add(WorkerRole.Decode, $"d-{model}", TestFleet.Facts(model: model, slots: 1));
        }
        fleet.Take(new PairRequest { Model = "a" });
        fleet.Wait(new PairRequest { Model = "a" });
        Assert.Equal("b", fleet.Take(new PairRequest { Model = "b" }).Decode.Model);
    }

    [Fact]
    public void A_full_group_does_not_hold_up_another_of_the_same_model()
    {
        var fleet = new TestFleet().With(1, 1, slots: 1);
        fleet.Add(WorkerRole.Prefill, "p-new", TestFleet.Facts(slots: 1, version: "0.5.19"));
        fleet.Add(WorkerRole.Decode, "d-new", TestFleet.Facts(slots: 1, version: "0.5.19"));
        var leases = new[] { fleet.Take(), fleet.Take() };
        Assert.All(leases, l => Assert.Equal(l.Prefill!.TransferGroup, l.Decode.TransferGroup));
        Assert.Equal(2, leases.Select(l => l.Decode.Id).Distinct().Count());
    }

    [Fact]
    public void The_queue_is_bounded_and_refusals_have_retry_after()
    {
        var fleet = new TestFleet(new() { Policy = "least_load", QueueSize = 1 }).With(1, 1, slots: 1);
        fleet.Take();
        fleet.Wait(new PairRequest());
        var refusal = fleet.Refused(new PairRequest { MaxWait = TimeSpan.FromSeconds(9) });
        Assert.Equal(RefusalReason.QueueFull, refusal.Reason);
        Assert.InRange(refusal.RetryAfter!.Value.TotalSeconds, 1, 60);
    }

    [Fact]
    public void Cancelled_and_timed_out_requests_hold_nothing()
    {
        var fleet = new TestFleet().With(1, 1, slots: 1);
        var lease = fleet.Take();
        var gone = fleet.Wait(new PairRequest());
        var slow = fleet.Wait(new PairRequest());
        Assert.True(fleet.State.Abandon(gone, fleet.Now, fleet.Timestamp));
        Assert.True(fleet.State.TimedOut(slow, fleet.Now, fleet.Timestamp));
        Assert.Equal(RefusalReason.QueueTimeout, slow.Grant!.Value.Refusal!.Reason);
        Assert.False(fleet.State.Abandon(slow, fleet.Now, fleet.Timestamp));
        fleet.EndBoth(lease);
        Assert.Empty(fleet.Granted());
        Assert.Equal((0, 0), (fleet.State.Live, fleet.State.Waiting));
    }

    [Fact]
    public void Requests_in_flight_and_requests_a_second_are_limited()
    {
        var fleet = new TestFleet(new() { Policy = "least_load", MaxConcurrentRequests = 1, RateLimitTokensPerSecond = 2 })
            .With(1, 1);
        var lease = fleet.Take();
        Assert.Equal(RefusalReason.QueueTimeout, fleet.Refused().Reason);
        var refusal = fleet.Refused();
        Assert.Equal((RefusalReason.RateLimited, TimeSpan.FromSeconds(0.5)), (refusal.Reason, refusal.RetryAfter));
        fleet.EndBoth(lease);
        fleet.Take(new PairRequest { Attempt = 1 }); // a retry takes no token
    }

    [Fact]
    public void Reasons_are_distinguished()
    {
        var fleet = new TestFleet();
        Assert.Equal(RefusalReason.NoWorkers, fleet.Refused().Reason);
        var decode = fleet.Add(WorkerRole.Decode, "d");
        Assert.Equal(RefusalReason.NoPrefill, fleet.Refused().Reason);
        fleet.Add(WorkerRole.Prefill, "p", TestFleet.Facts(version: "0.5.15"));
        Assert.Equal(RefusalReason.NoCompatiblePair, fleet.Refused().Reason);
        fleet.Add(WorkerRole.Prefill, "p2");
        fleet.Take();
        Assert.Equal(RefusalReason.UnknownModel, fleet.Refused(new PairRequest { Model = "other" }).Reason);
        Assert.Equal(RefusalReason.TooLarge, fleet.Refused(new PairRequest { Items = 5 }).Reason);
        fleet.Apply(decode, new WorkerInput.Drain());
        Assert.Equal(RefusalReason.NoDecode, fleet.Refused().Reason);
        fleet.State.Stop();
        Assert.Equal(RefusalReason.ShuttingDown, fleet.Refused().Reason);
    }

    [Fact]
    public void Engines_that_report_little_pair_with_workers_that_do_not_differ()
    {
        var fleet = new TestFleet();
        fleet.Add(WorkerRole.Prefill, "p");
        fleet.Add(WorkerRole.Decode, "d", new WorkerFacts { ServedModelName = "m", Version = "0.5.18" });
        fleet.Take();
    }
}

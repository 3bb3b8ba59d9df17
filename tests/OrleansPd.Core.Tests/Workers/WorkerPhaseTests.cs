using OrleansPd.Core.Options;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Tests.Workers;

public sealed class WorkerPhaseTests
{
    private readonly TestFleet _fleet = new(new ControlPlaneOptions { Policy = "least_load", PrefillRestartHoldSecs = 15 });

    [Fact]
    public void A_worker_is_ready_only_after_a_generation_went_through_it()
    {
        var id = _fleet.Add(WorkerRole.Decode, "d", ready: false);
        Assert.Equal(WorkerPhase.Registered, _fleet.SnapshotOf(id).Phase);
        _fleet.Apply(id, new WorkerInput.Described(TestFleet.Facts()));
        Assert.Equal(WorkerPhase.Probing, _fleet.SnapshotOf(id).Phase);
        _fleet.Apply(id, WorkerInput.Alive.Instance);
        Assert.Equal(WorkerPhase.Probing, _fleet.SnapshotOf(id).Phase);
        _fleet.Apply(id, new WorkerInput.ReadinessPassed(1));
        Assert.Equal(WorkerPhase.Ready, _fleet.SnapshotOf(id).Phase);
        Assert.Null(_fleet.SnapshotOf(id).Reason);
    }

    [Fact]
    public void A_refused_connection_makes_it_suspect_and_the_second_takes_it_out()
    {
        var id = _fleet.Add(WorkerRole.Decode, "d");
        _fleet.Apply(id, new WorkerInput.Missed("connection refused", Refused: true));
        Assert.Equal(WorkerPhase.Suspect, _fleet.SnapshotOf(id).Phase);
        _fleet.Apply(id, new WorkerInput.Missed("connection refused", Refused: true));
        Assert.Equal(WorkerPhase.Registered, _fleet.SnapshotOf(id).Phase);
    }

    [Fact]
    public void A_failed_request_makes_the_worker_suspect_until_the_next_probe()
    {
        var (broken, other) = (_fleet.Add(WorkerRole.Decode, "d1"), _fleet.Add(WorkerRole.Decode, "d2"));
        _ = _fleet.Add(WorkerRole.Prefill, "p");
        PairLease[] leases = [.. Enumerable.Range(0, 8).Select(_ => _fleet.Take())];
        foreach (var lease in leases)
        {
            _fleet.End(lease, LegSide.Prefill, LegOutcome.Neutral);
            _fleet.End(lease, LegSide.Decode, lease.Decode.Id == broken ? LegOutcome.Failed : LegOutcome.Succeeded);
        }
        Assert.Equal((WorkerPhase.Suspect, WorkerPhase.Ready), (_fleet.SnapshotOf(broken).Phase, _fleet.SnapshotOf(other).Phase));
        Assert.Equal("a request has just failed there", _fleet.SnapshotOf(broken).Reason);
        Assert.All(Enumerable.Range(0, 4), _ => Assert.Equal(other, _fleet.Take().Decode.Id));
        _fleet.Apply(broken, WorkerInput.Alive.Instance);
        Assert.Equal((WorkerPhase.Ready, null), (_fleet.SnapshotOf(broken).Phase, _fleet.SnapshotOf(broken).Reason));
    }

    [Fact]
    public void A_slow_answer_is_borne_longer_and_an_answer_clears_it()
    {
        var id = _fleet.Add(WorkerRole.Decode, "d");
        _fleet.Apply(id, new WorkerInput.Missed("slow", Refused: false));
        _fleet.Apply(id, new WorkerInput.Missed("slow", Refused: false));
        Assert.Equal(WorkerPhase.Suspect, _fleet.SnapshotOf(id).Phase);
        _fleet.Apply(id, WorkerInput.Alive.Instance);
        Assert.Equal(WorkerPhase.Ready, _fleet.SnapshotOf(id).Phase);
    }

    [Fact]
    public void Another_process_behind_the_address_is_a_new_epoch_and_has_to_prove_itself()
    {
        var id = _fleet.Add(WorkerRole.Decode, "d");
        _fleet.Apply(id, new WorkerInput.Described(TestFleet.Facts(identity: "seed=2")));
        Assert.Equal((WorkerPhase.Probing, 2L), (_fleet.SnapshotOf(id).Phase, _fleet.SnapshotOf(id).Epoch));
        _fleet.Apply(id, new WorkerInput.ReadinessPassed(1)); // a check that started in the former epoch
        Assert.Equal(WorkerPhase.Probing, _fleet.SnapshotOf(id).Phase);
        _fleet.Apply(id, new WorkerInput.ReadinessPassed(2));
        Assert.Equal(WorkerPhase.Ready, _fleet.SnapshotOf(id).Phase);
    }

    [Fact]
    public void An_engine_without_an_identity_counts_as_restarted_after_an_absence()
    {
        var facts = TestFleet.Facts() with { ProcessIdentity = null };
        var id = _fleet.Add(WorkerRole.Decode, "d", facts);
        _fleet.Apply(id, new WorkerInput.Described(facts));
        Assert.Equal(1, _fleet.SnapshotOf(id).Epoch);
        _fleet.Apply(id, new WorkerInput.Missed("connection refused", Refused: true));
        _fleet.Apply(id, new WorkerInput.Missed("connection refused", Refused: true));
        _fleet.Apply(id, new WorkerInput.Described(facts));
        Assert.Equal(2, _fleet.SnapshotOf(id).Epoch);
    }

    [Fact]
    public void A_network_cut_is_no_restart()
    {
        var id = _fleet.Add(WorkerRole.Decode, "d");
        for (var i = 0; i < 3; i++)
            _fleet.Apply(id, new WorkerInput.Missed("no route", Refused: false));
        Assert.Equal(WorkerPhase.Registered, _fleet.SnapshotOf(id).Phase);
        _fleet.Apply(id, new WorkerInput.Described(TestFleet.Facts()));
        Assert.Equal((WorkerPhase.Probing, 1L), (_fleet.SnapshotOf(id).Phase, _fleet.SnapshotOf(id).Epoch));
    }

    [Fact]
    public void A_restarted_prefill_is_held_until_decodes_have_forgotten_it()
    {
        var decode = _fleet.Add(WorkerRole.Decode, "d");
        var id = _fleet.Add(WorkerRole.Prefill, "p");
        _fleet.Apply(id, new WorkerInput.Described(TestFleet.Facts(identity: "seed=2")));
        Assert.Null(_fleet.State.BeginReadinessCheck(id, _fleet.Now.AddSeconds(14)));
        var check = _fleet.State.BeginReadinessCheck(id, _fleet.Now.AddSeconds(15));
        Assert.Equal(decode, check?.Decode.Id);
    }

    [Fact]
    public void A_prefill_that_was_away_longer_than_that_is_not_held()
    {
        _fleet.Add(WorkerRole.Decode, "d");
        var id = _fleet.Add(WorkerRole.Prefill, "p");
        _fleet.Apply(id, new WorkerInput.Missed("connection refused", Refused: true));
        _fleet.Apply(id, new WorkerInput.Missed("connection refused", Refused: true));
        _fleet.Now = _fleet.Now.AddSeconds(16);
        _fleet.Apply(id, new WorkerInput.Described(TestFleet.Facts(identity: "seed=2")));
        Assert.NotNull(_fleet.State.BeginReadinessCheck(id, _fleet.Now));
    }

    [Fact]
    public void Two_new_workers_check_each_other_once()
    {
        var prefill = _fleet.Add(WorkerRole.Prefill, "p", ready: false);
        var decode = _fleet.Add(WorkerRole.Decode, "d", ready: false);
        _fleet.Apply(prefill, new WorkerInput.Described(TestFleet.Facts()));
        Assert.Null(_fleet.State.BeginReadinessCheck(prefill, _fleet.Now));
        _fleet.Apply(decode, new WorkerInput.Described(TestFleet.Facts()));
        var check = _fleet.State.BeginReadinessCheck(decode, _fleet.Now)!;
        Assert.Null(_fleet.State.BeginReadinessCheck(prefill, _fleet.Now));
        _fleet.State.EndReadinessCheck(check, good: true, null, _fleet.Now, _fleet.Timestamp);
        Assert.True(_fleet.State.Fleet.IsReady);
    }

    [Fact]
    public void A_failed_readiness_check_is_repeated_with_the_next_partner()
    {
        var decode = _fleet.Add(WorkerRole.Decode, "d", ready: false);
        _fleet.Add(WorkerRole.Prefill, "p0");
        _fleet.Add(WorkerRole.Prefill, "p1");
        _fleet.Apply(decode, new WorkerInput.Described(TestFleet.Facts()));
        var first = _fleet.State.BeginReadinessCheck(decode, _fleet.Now)!;
        _fleet.State.EndReadinessCheck(first, good: false, "it failed", _fleet.Now, _fleet.Timestamp);
        Assert.Equal("it failed", _fleet.SnapshotOf(decode).Reason);
        var second = _fleet.State.BeginReadinessCheck(decode, _fleet.Now)!;
        Assert.NotEqual(first.Prefill!.Id, second.Prefill!.Id);
    }

    [Fact]
    public void Only_the_side_at_fault_is_charged_and_only_the_epoch_that_served()
    {
        _fleet.With(1, 1, slots: 100);
        var (p, d) = (_fleet.State.Fleet.Prefill[0].Id, _fleet.State.Fleet.Decode[0].Id);
        var old = _fleet.Take();
        for (var i = 0; i < 10; i++)
        {
            var lease = _fleet.Take();
            _fleet.End(lease, LegSide.Prefill, LegOutcome.Failed);
            _fleet.End(lease, LegSide.Decode, LegOutcome.Neutral);
        }
        Assert.Equal((WorkerPhase.Broken, WorkerPhase.Ready), (_fleet.SnapshotOf(p).Phase, _fleet.SnapshotOf(d).Phase));
        _fleet.Apply(p, new WorkerInput.Described(TestFleet.Facts(slots: 100, identity: "seed=9")));
        _fleet.Apply(p, new WorkerInput.ReadinessPassed(2));
        _fleet.End(old, LegSide.Prefill, LegOutcome.Failed);
        Assert.Equal(WorkerPhase.Ready, _fleet.SnapshotOf(p).Phase);
    }

    [Fact]
    public void A_broken_prefill_gets_no_decode_leg_until_a_half_open_request_is_due()
    {
        _fleet.With(1, 1, slots: 100);
        for (var i = 0; i < 10; i++)
            _fleet.EndBoth(_fleet.Take() is var lease ? lease : null!, LegOutcome.Failed);
        Assert.Equal(RefusalReason.NoWorkers, _fleet.Refused().Reason);
        _fleet.Now = _fleet.Now.AddSeconds(5);
        var halfOpen = _fleet.Take();
        Assert.Equal(RefusalReason.NoWorkers, _fleet.Refused().Reason);
        _fleet.EndBoth(halfOpen);
        _fleet.EndBoth(_fleet.Take());
        _fleet.EndBoth(_fleet.Take());
        Assert.True(_fleet.State.Fleet.IsReady);
    }

    [Fact]
    public void A_hanging_worker_with_a_good_health_check_is_found_by_the_age_of_its_requests()
    {
        _fleet.With(1, 2, slots: 100);
        var stuck = _fleet.Take();
        _fleet.End(stuck, LegSide.Prefill);
        var alive = _fleet.Take(new PairRequest { AvoidDecode = stuck.Decode.Id });
        _fleet.End(alive, LegSide.Prefill);
        for (var second = 0; second < 130; second++)
        {
            _fleet.Now = _fleet.Now.AddSeconds(1);
            alive.Progressed(_fleet.Timestamp);
            if (second == 40)
            {
                Assert.Equal(WorkerPhase.Suspect, _fleet.SnapshotOf(stuck.Decode.Id).Phase);
                _fleet.Take(new PairRequest { AvoidDecode = alive.Decode.Id }); // new requests do not hide the stall
            }
            _fleet.State.Tick(_fleet.Now, _fleet.Timestamp, TimeSpan.TicksPerSecond);
        }
        Assert.Equal(WorkerPhase.Broken, _fleet.SnapshotOf(stuck.Decode.Id).Phase);
        Assert.Equal(WorkerPhase.Ready, _fleet.SnapshotOf(alive.Decode.Id).Phase);
    }

    [Fact]
    public void A_prefill_that_restarted_unnoticed_by_decode_engines_reports_the_possible_reason()
    {
        var prefill = _fleet.Add(WorkerRole.Prefill, "p");
        _fleet.Apply(prefill, new WorkerInput.Described(TestFleet.Facts(identity: "seed=2")));
        _fleet.Apply(prefill, new WorkerInput.ReadinessFailed("it did not answer"));
        Assert.StartsWith("it did not answer; decode engines may still know", _fleet.SnapshotOf(prefill).Reason);
        _fleet.Apply(prefill, new WorkerInput.ReadinessPassed(2));
        Assert.Null(_fleet.SnapshotOf(prefill).Reason);
    }

    [Fact]
    public void Requests_of_a_former_epoch_do_not_stall_the_new_one()
    {
        _fleet.With(1, 2, slots: 100);
        var stuck = _fleet.Take();
        _fleet.End(stuck, LegSide.Prefill);
        _fleet.Apply(stuck.Decode.Id, new WorkerInput.Described(TestFleet.Facts(slots: 100, identity: "seed=2")));
        _fleet.Apply(stuck.Decode.Id, new WorkerInput.ReadinessPassed(2));
        _fleet.Now = _fleet.Now.AddHours(1);
        _fleet.State.Tick(_fleet.Now, _fleet.Timestamp, TimeSpan.TicksPerSecond);
        Assert.Equal(
            (WorkerPhase.Ready, 2), (_fleet.SnapshotOf(stuck.Decode.Id).Phase, _fleet.SnapshotOf(stuck.Decode.Id).Epoch));
    }

    [Fact]
    public void A_worker_that_generates_again_is_not_broken_again_by_a_leg_that_never_ends()
    {
        _fleet.With(1, 2, slots: 100);
        var stuck = _fleet.Take();
        _fleet.End(stuck, LegSide.Prefill);
        Pass(seconds: 130);
        Assert.Equal(WorkerPhase.Broken, _fleet.SnapshotOf(stuck.Decode.Id).Phase);
        _fleet.Now = _fleet.Now.AddSeconds(_fleet.Options.CbTimeoutDurationSecs);
        for (var i = 0; i < _fleet.Options.CbSuccessThreshold; i++)
        {
            var check = _fleet.State.BeginReadinessCheck(stuck.Decode.Id, _fleet.Now)!;
            _fleet.State.EndReadinessCheck(check, true, null, _fleet.Now, _fleet.Timestamp);
        }
        Pass(seconds: 20);
        Assert.Equal(WorkerPhase.Ready, _fleet.SnapshotOf(stuck.Decode.Id).Phase);

        void Pass(int seconds)
        {
            _fleet.Now = _fleet.Now.AddSeconds(seconds);
            _fleet.State.Tick(_fleet.Now, _fleet.Timestamp, TimeSpan.TicksPerSecond);
        }
    }

    [Fact]
    public void A_removed_worker_keeps_its_slot_until_its_last_leg_has_ended()
    {
        _fleet.With(1, 1);
        var lease = _fleet.Take();
        _fleet.Apply(lease.Decode.Id, new WorkerInput.Remove());
        Assert.DoesNotContain(_fleet.State.Fleet.Workers, w => w.Id == lease.Decode.Id);
        var gone = _fleet.State.View(lease.Decode.Id)!;
        Assert.Equal((WorkerPhase.Gone, 1, false), (gone.Worker.Phase, gone.InFlight, gone.Safety.IsSafe));
        var other = _fleet.Add(WorkerRole.Decode, "d9");
        Assert.NotEqual(lease.Decode.Slot, _fleet.SnapshotOf(other).Slot);
        _fleet.EndBoth(lease);
        Assert.True(_fleet.State.View(lease.Decode.Id)!.Safety.IsSafe);
        Assert.Equal(lease.Decode.Slot, _fleet.SnapshotOf(_fleet.Add(WorkerRole.Decode, "d10")).Slot);
    }
}

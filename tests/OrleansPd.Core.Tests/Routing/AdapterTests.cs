using OrleansPd.Core.Policies;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Tests.Routing;

/// <summary>Requests that name LoRA adapters go to workers that have them.</summary>
public sealed class AdapterTests
{
    public static TheoryData<string> All => [.. PolicyTable.Names];

    [Theory]
    [MemberData(nameof(All))]
    public void Only_workers_that_have_the_adapter_are_taken_on_both_sides_by_every_policy(string policy)
    {
        var fleet = Fleet(policy, ("", ""), ("poet", "poet"), ("", ""), ("cook\npoet", "cook\npoet"));
        for (var i = 0; i < 8; i++)
        {
            var lease = fleet.Take(Asking("poet", i));
            Assert.Contains(lease.Prefill!.Url.Host, (string[])["p1", "p3"]);
            Assert.Contains(lease.Decode.Url.Host, (string[])["d1", "d3"]);
        }
        var both = Fleet(policy, ("poet", "poet"), ("", ""), ("", ""), ("cook\npoet", "cook\npoet"));
        Assert.Equal(("p3", "d3"), Hosts(both.Take(Asking("cook\npoet"))));
        // No worker is known to have it: engines may have more adapters than they report.
        Assert.NotNull(fleet.Take(Asking("nobody")).Prefill);
    }

    [Fact]
    public void The_capacity_of_workers_with_the_adapter_is_kept_and_requests_that_wait_for_them_delay_no_others()
    {
        var fleet = Fleet("least_load", ("", ""), ("poet", "poet"));
        var poems = Enumerable.Range(0, 4).Select(_ => fleet.Take(Asking("poet"))).ToArray();
        var waiting = fleet.Wait(Asking("poet"));
        var other = fleet.Take();
        Assert.Equal("d0", other.Decode.Url.Host);
        fleet.EndBoth(other);
        Assert.Empty(fleet.Granted());
        fleet.EndBoth(poems[0]);
        Assert.Equal(waiting, Assert.Single(fleet.Granted()));
        Assert.Equal("d1", waiting.Grant!.Value.Lease!.Decode.Url.Host);
    }

    [Fact]
    public void A_request_for_an_adapter_that_arrived_first_is_served_first()
    {
        var fleet = Fleet("least_load", ("poet", "poet"));
        var held = Enumerable.Range(0, 4).Select(_ => fleet.Take()).ToArray();
        var (first, second) = (fleet.Wait(Asking("poet")), fleet.Wait(new PairRequest()));
        fleet.EndBoth(held[0]);
        Assert.Equal(first, Assert.Single(fleet.Granted()));
        fleet.EndBoth(held[1]);
        Assert.Equal(second, Assert.Single(fleet.Granted()));
    }

    [Fact]
    public void A_large_batch_is_not_passed_by_requests_with_adapters_for_ever()
    {
        var fleet = Fleet("least_load", ("poet", "poet"));
        var held = new Queue<PairLease>(Enumerable.Range(0, 4).Select(_ => fleet.Take()));
        var batch = fleet.Wait(new PairRequest { Items = 4 });
        var passed = 0;
        while (passed < 1000)
        {
            _ = fleet.Wait(Asking("poet"));
            fleet.EndBoth(held.Dequeue());
            if (fleet.Granted() is not [var granted])
                break;
            held.Enqueue(granted.Grant!.Value.Lease!);
            passed++;
        }
        Assert.InRange(passed, 1, 100);
        while (held.TryDequeue(out var lease))
            fleet.EndBoth(lease);
        Assert.NotNull(batch.Grant?.Lease);
    }

    [Theory]
    [InlineData("poet", "", "No decode worker that has the LoRA adapter 'poet'", RefusalReason.NoDecode)]
    [InlineData("", "poet", "No prefill worker that has the LoRA adapter 'poet'", RefusalReason.NoPrefill)]
    public void An_adapter_on_one_side_alone_is_refused_with_that_reason(
        string prefill, string decode, string why, RefusalReason reason)
    {
        var fleet = Fleet("least_load", (prefill, decode));
        var refusal = fleet.Refused(Asking("poet"));
        Assert.Equal(reason, refusal.Reason);
        Assert.StartsWith(why, refusal.Message);
        fleet.Take();
    }

    [Fact]
    public void An_adapter_that_comes_or_goes_while_engines_serve_changes_where_requests_go()
    {
        var fleet = Fleet("least_load", ("", ""), ("", ""));
        Load(fleet, "p1", "poet");
        Load(fleet, "d1", "poet");
        Assert.Equal(("p1", "d1"), Hosts(fleet.Take(Asking("poet"))));
        Load(fleet, "p0", "poet");
        Load(fleet, "d0", "poet");
        Load(fleet, "p1", "");
        Load(fleet, "d1", "");
        Assert.Equal(("p0", "d0"), Hosts(fleet.Take(Asking("poet"))));
    }

    [Fact]
    public void An_adapter_in_the_models_name_counts()
    {
        var fleet = Fleet("least_load", ("", ""), ("poet", "poet"));
        Assert.Equal(("p1", "d1"), Hosts(fleet.Take(new PairRequest { Model = "m:poet" })));
    }

    [Fact]
    public void Requests_wait_for_the_only_worker_with_the_adapter_when_it_has_just_gone()
    {
        var fleet = Fleet("least_load", ("", ""), ("poet", "poet"));
        var d1 = fleet.State.Fleet.Decode[1].Id;
        fleet.Apply(d1, new WorkerInput.Missed("refused", Refused: true));
        fleet.Apply(d1, new WorkerInput.Missed("refused", Refused: true));
        var waiting = fleet.Wait(Asking("poet"));
        Assert.Equal(fleet.Now.AddSeconds(10), waiting.ReturnBy);
        Assert.Equal("d0", fleet.Take().Decode.Url.Host);
        fleet.Apply(d1, new WorkerInput.Described(TestFleet.Facts() with { AdapterNames = "poet" }));
        fleet.Apply(d1, new WorkerInput.ReadinessPassed(1));
        Assert.Equal("d1", waiting.Grant!.Value.Lease!.Decode.Url.Host);
    }

    private static PairRequest Asking(string adapters, int i = 0) => new()
    {
        Adapters = adapters,
        PromptTokens = 100,
        SessionKey = (ulong)i,
        PrefixBlocks = new ulong[] { 7919, (ulong)(i + 1) * 104729 },
    };

    private static (string?, string) Hosts(PairLease lease) => (lease.Prefill?.Url.Host, lease.Decode.Url.Host);

    private static void Load(TestFleet fleet, string host, string adapters) =>
        fleet.Apply(
            fleet.State.Fleet.Workers.Single(w => w.Url.Host == host).Id,
            new WorkerInput.Described(TestFleet.Facts() with { AdapterNames = adapters }));

    /// <summary>Prefill workers p0, p1, ... and decode workers d0, d1, ... with these adapters.</summary>
    private static TestFleet Fleet(string policy, params (string Prefill, string Decode)[] adapters)
    {
        var fleet = new TestFleet(new() { Policy = policy, DecodePolicy = policy, PrefixIndexBlocks = 1024 });
        for (var i = 0; i < adapters.Length; i++)
            fleet.Add(WorkerRole.Prefill, $"p{i}", TestFleet.Facts(slots: 16) with { AdapterNames = adapters[i].Prefill });
        for (var i = 0; i < adapters.Length; i++)
            fleet.Add(WorkerRole.Decode, $"d{i}", TestFleet.Facts() with { AdapterNames = adapters[i].Decode });
        return fleet;
    }
}

using OrleansPd.Core.Credits;
using OrleansPd.Core.Options;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Rooms;
using OrleansPd.Core.States;
using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Tests.Faults;

/// <summary>
/// Row F33: workers that cannot exchange KV. Engines of different page size or dtype die of each other: we are the only guard.
/// </summary>
public sealed class MisfitTests
{
    public static TheoryData<string, WorkerFacts> Misfits => new()
    {
        { "transport mooncake, http://p:30000 has nixl", TestFleet.Facts() with { TransferBackend = "nixl" } },
        { "KV dtype auto, http://p:30000 has fp8_e4m3", TestFleet.Facts() with { KvCacheDtype = "fp8_e4m3" } },
        { "page size 64, http://p:30000 has 1", TestFleet.Facts() with { PageSize = 1 } },
        { "version 0.5.18, http://p:30000 has 0.5.16", TestFleet.Facts(version: "0.5.16") },
    };

    [Theory]
    [MemberData(nameof(Misfits))]
    public void F33_a_pair_that_cannot_exchange_KV_is_refused_with_the_reason_and_never_tried(
        string difference, WorkerFacts prefill)
    {
        var fleet = new TestFleet();
        var p = fleet.Add(WorkerRole.Prefill, "p", ready: false);
        var d = fleet.Add(WorkerRole.Decode, "d", ready: false);
        fleet.Apply(p, new WorkerInput.Described(prefill));
        fleet.Apply(d, new WorkerInput.Described(TestFleet.Facts()));

        Assert.Null(fleet.State.BeginReadinessCheck(p, fleet.Now));
        Assert.Null(fleet.State.BeginReadinessCheck(d, fleet.Now));

        Assert.Equal("no prefill worker can exchange KV with it: " + difference, fleet.State.Find(d)!.Reason);
        Assert.StartsWith("no decode worker can exchange KV with it: ", fleet.State.Find(p)!.Reason);
        var refusal = fleet.Refused();
        Assert.Equal(RefusalReason.NoCompatiblePair, refusal.Reason);
        Assert.Contains("transport must agree", refusal.Message);
    }

    [Theory]
    [MemberData(nameof(Misfits))]
    public void F33_in_a_cluster_the_worker_is_listed_with_the_reason_too(string says, WorkerFacts prefill)
    {
        var now = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
        var p = Writer(WorkerRole.Prefill, "p", prefill, 1, now);
        var d = Writer(WorkerRole.Decode, "d", TestFleet.Facts(), 2, now);
        var fleet = new TrackedFleet(regularTakesOver: false);
        fleet.Apply([p.Report, d.Report]);

        Assert.Null(d.BeginReadinessCheck(fleet.Snapshot, new RoomMint(1, 0), now));

        Assert.Equal("no prefill worker can exchange KV with it: " + says, d.Report.Snapshot.Reason);
        var version = d.Version;
        Assert.Null(d.BeginReadinessCheck(fleet.Snapshot, new RoomMint(1, 0), now));
        Assert.Equal(version, d.Version);
    }

    private static WorkerWriterState Writer(
        WorkerRole role, string host, WorkerFacts facts, long registration, DateTimeOffset now)
    {
        var spec = new WorkerSpec { Url = new Uri($"http://{host}:30000"), Role = role };
        var member = new WorkerMember(WorkerAddress.IdOf(spec.Url), spec, registration);
        var writer = new WorkerWriterState(
            new ControlPlaneOptions(), CreditLimits.Default, member, null, 1, isNew: true, now);
        Assert.True(writer.Apply(new WorkerInput.Described(facts), now));
        return writer;
    }

    [Fact]
    public void F33_where_others_fit_only_they_are_paired()
    {
        var fleet = new TestFleet().With(prefill: 2, decode: 2, slots: 100);
        var misfit = fleet.Add(WorkerRole.Decode, "misfit", ready: false);
        fleet.Apply(misfit, new WorkerInput.Described(TestFleet.Facts(slots: 100) with { KvCacheDtype = "fp8_e5m2" }));
        Assert.Null(fleet.State.BeginReadinessCheck(misfit, fleet.Now));
        var leases = Enumerable.Range(0, 50).Select(_ => fleet.Take()).ToArray();
        Assert.DoesNotContain(leases, lease => lease.Decode.Id == misfit);
        // When only one side has such workers, the other side is refused too instead of tried.
        foreach (var decode in fleet.State.Fleet.Decode.Where(d => d.Id != misfit).Select(d => d.Id).ToArray())
            fleet.Apply(decode, new WorkerInput.Drain());
        Assert.Equal(RefusalReason.NoDecode, fleet.Refused().Reason);
    }
}

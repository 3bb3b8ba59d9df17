using OrleansPd.Core.Credits;
using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Tests.Credits;

public class FleetRosterTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly FleetRoster _roster = new(Patience);

    private static WorkerReport Worker(string host, long version = 1)
    {
        var spec = new WorkerSpec { Url = new Uri($"http://{host}:30000"), Role = WorkerRole.Prefill };
        return new WorkerMember(WorkerAddress.IdOf(spec.Url), spec, 1).FirstReport(Start) with { Writer = 1, Version = version };
    }

    private static PoolState Pool(long epoch, long version, params WorkerReport[] workers) =>
        new("prefill/m", epoch, version, default, IsBlank: false, [.. workers]);

    private static PoolState Blank(long epoch, string key = "prefill/m") => new(key, epoch, 0, default, IsBlank: true, []);

    [Fact]
    public void The_newest_word_of_a_pool_stands()
    {
        Assert.True(_roster.Apply(Pool(1, 2, Worker("p0")), Start));
        Assert.False(_roster.Apply(Pool(1, 1), Start));
        Assert.False(_roster.Apply(Pool(1, 2), Start));
        Assert.Single(_roster.Workers);
        Assert.True(_roster.Apply(Pool(2, 0, Worker("p0"), Worker("p1")), Start));
        Assert.Equal(2, _roster.Workers.Length);
    }

    [Fact]
    public void A_pool_that_was_just_started_does_not_make_its_members_older()
    {
        _roster.Apply(Pool(1, 5, Worker("p0", version: 9)), Start);
        Assert.True(_roster.Apply(Pool(2, 0, Worker("p0", version: 1)), Start));
        Assert.Equal(9, _roster.Workers.Single().Version);
    }

    [Fact]
    public void A_pool_that_lost_its_storage_removes_nothing_and_is_restored()
    {
        _roster.Apply(Pool(1, 1, Worker("p0")), Start);
        Assert.False(_roster.Apply(Blank(2), Start + TimeSpan.FromHours(1)));
        Assert.Equal(Worker("p0").Id, _roster.ReportsOf("prefill/m").Single().Id);
        Assert.Single(_roster.Workers);
        Assert.True(_roster.Apply(Pool(2, 1, Worker("p0")), Start)); // adopted
    }

    [Fact]
    public void A_pool_that_all_have_left_is_empty_and_not_lost()
    {
        _roster.Apply(Pool(1, 1, Worker("p0")), Start);
        Assert.True(_roster.Apply(Pool(1, 2), Start));
        Assert.Empty(_roster.Workers);
    }

    [Fact]
    public void An_empty_pool_unknown_to_all_gateways_counts_as_reported_after_the_wait()
    {
        string[] pools = ["prefill/m", "decode/m"];
        _roster.Apply(Pool(1, 1, Worker("p0")), Start);
        Assert.False(_roster.Apply(Blank(1, "decode/m"), Start));
        Assert.True(_roster.IsBlank("decode/m"));
        Assert.False(_roster.HaveReported(pools));
        Assert.False(_roster.Apply(Blank(1, "decode/m"), Start + Patience - TimeSpan.FromTicks(1)));
        Assert.True(_roster.Apply(Blank(1, "decode/m"), Start + Patience));
        Assert.True(_roster.HaveReported(pools));
        Assert.False(_roster.IsBlank("decode/m"));
    }

    [Fact]
    public void A_fleet_without_stored_state_waits_for_the_reports_of_all_living_gateways()
    {
        Assert.False(_roster.IsLearning(Start));
        _roster.BeginLearning(Start);
        _roster.GatewayReported("a", ["a", "b"]);
        Assert.True(_roster.IsLearning(Start));
        _roster.GatewayReported("b", ["a", "b"]);
        Assert.False(_roster.IsLearning(Start));
    }

    [Fact]
    public void It_does_not_wait_for_ever_for_a_silent_gateway()
    {
        _roster.BeginLearning(Start);
        _roster.GatewayReported("a", ["a", "b"]);
        Assert.True(_roster.IsLearning(Start + Patience - TimeSpan.FromTicks(1)));
        Assert.False(_roster.IsLearning(Start + Patience));
    }
}

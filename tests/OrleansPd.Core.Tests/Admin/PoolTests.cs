using OrleansPd.Core.Admin;
using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Tests.Admin;

/// <summary>Names, figures and wishes of pools.</summary>
public class PoolTests
{
    private static readonly PoolName Decode = new(WorkerRole.Decode, null);

    [Theory]
    [InlineData("decode/-", WorkerRole.Decode, null)]
    [InlineData("prefill/meta-llama/Llama-3.1-70B", WorkerRole.Prefill, "meta-llama/Llama-3.1-70B")]
    [InlineData("regular/m", WorkerRole.Regular, "m")]
    public void A_name_is_read_back_as_it_was_written(string text, WorkerRole role, string? model)
    {
        Assert.True(PoolName.TryParse(text, out var name));
        Assert.Equal(new PoolName(role, model), name);
        Assert.Equal(text, name.ToString());
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("decode")]
    [InlineData("decode/")]
    [InlineData("Decode/m")]
    [InlineData("1/m")]
    [InlineData("both/m")]
    public void An_invalid_pool_name_is_refused(string? text) => Assert.False(PoolName.TryParse(text, out _));

    [Theory]
    [InlineData(-1, false, "m", "'wanted'")]
    [InlineData(10_001, false, "m", "'wanted'")]
    [InlineData(null, true, "m", "'drain_surplus' needs")]
    [InlineData(1, false, "", "model")]
    [InlineData(1, false, "-", "model")]
    [InlineData(1, false, " m", "model")]
    [InlineData(1, false, "a\nb", "model")]
    public void Nonsense_is_named(int? wanted, bool drain, string model, string problem) =>
        Assert.Contains(problem, new PoolTarget(new(WorkerRole.Decode, model), wanted, drain).Problem);

    [Theory]
    [InlineData(null, 0, 0)]
    [InlineData(0, 0, 3)]
    [InlineData(2, 0, 1)]
    [InlineData(3, 0, 0)]
    [InlineData(5, 2, 0)]
    public void Draining_workers_do_not_count_as_present_and_broken_ones_do(int? wanted, int missing, int surplus)
    {
        var pool = PoolView.Of(Decode, wanted, [
            Worker("a", WorkerPhase.Ready), Worker("b", WorkerPhase.Suspect), Worker("c", WorkerPhase.Broken),
            Worker("d", WorkerPhase.Draining), Worker("e", WorkerPhase.Gone)]);
        Assert.Equal((3, 2, 1, missing, surplus), (pool.Present, pool.Ready, pool.Draining, pool.Missing, pool.Surplus));
    }

    [Fact]
    public void The_least_useful_are_drained_first()
    {
        WorkerView[] members =
        [
            View("draining", WorkerPhase.Draining), View("old", WorkerPhase.Ready), View("busy", WorkerPhase.Ready, inFlight: 3),
            View("cheap", WorkerPhase.Ready, priority: 10, inFlight: 9), View(
                "broken", WorkerPhase.Broken), View("new", WorkerPhase.Ready),
        ];
        string[] Drained(int? wanted, bool drain = true) =>
            [.. new PoolTarget(Decode, wanted, drain).Surplus(members).Select(id => id.Value)];
        Assert.Equal(["broken", "cheap", "new", "old", "busy"], Drained(0));
        Assert.Equal(["broken", "cheap"], Drained(3));
        Assert.Empty(Drained(5));
        Assert.Empty(Drained(9));
        Assert.Empty(Drained(1, drain: false));
    }

    private static WorkerSnapshot Worker(string id, WorkerPhase phase, int priority = 50) => new()
    {
        Id = new(id),
        Url = new Uri("http://h:1"),
        Role = WorkerRole.Decode,
        Phase = phase,
        Epoch = 1,
        Slot = 0,
        Facts = WorkerFacts.Unknown,
        Priority = priority,
    };

    private static WorkerView View(string id, WorkerPhase phase, int priority = 50, int inFlight = 0) => new()
    {
        Worker = Worker(id, phase, priority),
        Cost = 1,
        Since = default,
        Safety = KillSafety.InRotation,
        InFlight = inFlight,
    };
}

using OrleansPd.Core.Options;
using OrleansPd.Core.Policies;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Tests.Routing;

/// <summary>Policies of single models.</summary>
public sealed class ModelPolicyTests
{
    [Theory]
    [InlineData("a=random", "a", "random", "random")]
    [InlineData("a=cache_aware", "a", "cache_aware", "least_load")]
    [InlineData("a=cache_aware,cache_aware", "a", "cache_aware", "cache_aware")]
    [InlineData(" /models/x=y = round_robin , session ", "/models/x=y", "round_robin", "session")]
    public void An_entry_is_read(string text, string model, string prefill, string decode) =>
        Assert.Equal(new ModelPolicySpec(model, prefill, decode), ModelPolicySpec.TryParse(text, out _));

    [Theory]
    [InlineData("")]
    [InlineData("a")]
    [InlineData("=random")]
    [InlineData(" =random")]
    [InlineData("a=")]
    [InlineData("a=random,")]
    [InlineData("a=random,random,random")]
    [InlineData("a=Random")]
    [InlineData("a=fastest")]
    public void An_invalid_entry_is_refused_with_a_reason(string text)
    {
        Assert.Null(ModelPolicySpec.TryParse(text, out var problem));
        Assert.NotEmpty(problem!);
        Assert.Throws<ArgumentException>(() => new TestFleet(new() { ModelPolicy = { text } }));
    }

    [Fact]
    public void Two_entries_for_one_model_are_refused() =>
        Assert.Throws<ArgumentException>(() => new TestFleet(new() { ModelPolicy = { "a=random", "a=session" } }));

    [Fact]
    public void A_model_has_its_own_policy_and_the_others_share_theirs()
    {
        var fleet = Models(new() { Policy = "random", ModelPolicy = { "b=session,least_load" } }, "a", "b", "c");
        Assert.Equal([("random", "random"), ("session", "least_load"), ("random", "random")], Policies(fleet, "a", "b", "c"));
        // The session policy is at work, not only named: a session stays where it began, although the other is less loaded.
        var session = new PairRequest { Model = "b", SessionKey = 7, PromptTokens = 1000 };
        var home = fleet.Take(session).Prefill!.Id;
        Assert.All(Enumerable.Range(0, 3), _ => Assert.Equal(home, fleet.Take(session).Prefill!.Id));
    }

    [Fact]
    public void Prefixes_are_computed_if_any_model_needs_them_and_indexed_per_model()
    {
        Assert.False(new TestFleet(new() { Policy = "random", ModelPolicy = { "b=least_load" } }).State.NeedsPrefix);
        var fleet = Models(new() { Policy = "random", ModelPolicy = { "b=cache_aware" }, PrefixIndexBlocks = 1024 }, "a", "b");
        Assert.True(fleet.State.NeedsPrefix);
        var blocks = Enumerable.Range(1, 40).Select(i => (ulong)i * 7919).ToArray();
        var prompt = new PairRequest { Model = "b", PromptTokens = 4000, PrefixBlocks = blocks };
        var first = fleet.Take(prompt);
        fleet.EndBoth(first);
        var again = fleet.Take(prompt);
        Assert.Equal(first.Prefill!.Id, again.Prefill!.Id);
        Assert.True(again.RouteExplanation.UncachedTokens < 4000, again.Why);
        fleet.EndBoth(again);
        fleet.State.CachesFlushed(first.Prefill.Id);
        Assert.Equal(4000, fleet.Take(prompt).RouteExplanation.UncachedTokens);
    }

    private static IEnumerable<(string?, string?)> Policies(TestFleet fleet, params string[] models) =>
        models.Select(model => fleet.Take(new PairRequest { Model = model }).RouteExplanation)
            .Select(why => (why.PrefillPolicy, why.DecodePolicy));

    /// <summary>Two prefill workers and one decode worker of each model.</summary>
    private static TestFleet Models(ControlPlaneOptions options, params string[] models)
    {
        var fleet = new TestFleet(options);
        foreach (var model in models)
        {
            fleet.Add(WorkerRole.Prefill, $"p0{model}", TestFleet.Facts(model: model));
            fleet.Add(WorkerRole.Prefill, $"p1{model}", TestFleet.Facts(model: model));
            fleet.Add(WorkerRole.Decode, $"d{model}", TestFleet.Facts(slots: 16, model: model));
        }
        return fleet;
    }
}

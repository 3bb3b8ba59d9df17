using OrleansPd.Core.Attempts;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Tests.Workers;

public sealed class WireNameTests
{
    [Theory]
    [InlineData(WorkerRole.Prefill, "prefill")]
    [InlineData(WorkerRole.Decode, "decode")]
    [InlineData(WorkerRole.Regular, "regular")]
    public void A_role_is_written_in_lower_case_and_read_back(WorkerRole role, string name)
    {
        Assert.Equal(name, WireName.Of(role));
        Assert.True(WireName.TryParse<WorkerRole>(name, out var read));
        Assert.Equal(role, read);
    }

    [Theory]
    [InlineData(RouteReason.Pair, "pair")]
    [InlineData(RouteReason.RegularBusy, "regular_busy")]
    [InlineData(RouteReason.OnlyRegular, "only_regular")]
    [InlineData(RouteReason.ShortPrompt, "short_prompt")]
    [InlineData(RouteReason.Fallback, "fallback")]
    public void Words_of_a_name_are_joined_by_underscores(RouteReason reason, string name) =>
        Assert.Equal(name, WireName.Of(reason));

    /// <summary>Dashboards and clients read these: a renamed member must not change them silently.</summary>
    [Fact]
    public void Phases_and_sides_have_the_names_that_dashboards_read()
    {
        Assert.Equal(
            ["registered", "probing", "ready", "suspect", "broken", "draining", "gone"],
            Enum.GetValues<WorkerPhase>().Select(WireName.Of));
        Assert.Equal(["none", "client", "gateway", "prefill", "decode"], Enum.GetValues<Blame>().Select(WireName.Of));
    }

    [Theory]
    [InlineData("Prefill")]
    [InlineData("0")]
    [InlineData(" prefill")]
    [InlineData("")]
    [InlineData(null)]
    public void Only_the_exact_name_is_read(string? name) => Assert.False(WireName.TryParse<WorkerRole>(name, out _));

    [Fact]
    public void A_value_without_a_member_has_no_name() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => WireName.Of((WorkerRole)9));

    [Fact]
    public void A_name_is_the_same_string_each_time() =>
        Assert.Same(WireName.Of(WorkerPhase.Ready), WireName.Of(WorkerPhase.Ready));
}

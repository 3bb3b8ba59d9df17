using OrleansPd.Core.Attempts;
using OrleansPd.Core.Requests;

namespace OrleansPd.Core.Tests.Attempts;

/// <summary>Which worker's breaker a failed attempt counts for.</summary>
public class VerdictTests
{
    [Fact]
    public void The_side_at_fault_is_charged_alone()
    {
        var lost = Verdict.OfFailure(LegSide.Decode, new LegEnd(LegEndKind.PartnerLost, 500), regular: false);

        Assert.Equal(LegOutcome.Failed, lost.OutcomeOf(LegSide.Prefill, LegEnd.Cancelled));
        Assert.Equal(LegOutcome.Neutral, lost.OutcomeOf(LegSide.Decode, new LegEnd(LegEndKind.PartnerLost, 500)));
    }

    [Theory]
    [InlineData(LegEndKind.ClientError, 400)]
    [InlineData(LegEndKind.Overloaded, 503)]
    [InlineData(LegEndKind.Aborted, 500)]
    [InlineData(LegEndKind.TransferFailed, 500)]
    public void No_side_is_charged_for(LegEndKind kind, int status)
    {
        var end = new LegEnd(kind, status);
        var verdict = Verdict.OfFailure(LegSide.Prefill, end, regular: false);

        Assert.Equal(LegOutcome.Neutral, verdict.OutcomeOf(LegSide.Prefill, end));
        Assert.Equal(LegOutcome.Neutral, verdict.OutcomeOf(LegSide.Decode, LegEnd.Cancelled));
    }
}

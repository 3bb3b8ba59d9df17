using OrleansPd.Core.Attempts;
using OrleansPd.Core.Requests;
using OrleansPd.Engines.Answers;

namespace OrleansPd.Engines.Tests.Answers;

/// <summary>The error texts of engines.</summary>
public class EngineAnswerTests
{
    public static TheoryData<LegSide, int, string, double, LegEndKind> Texts => new()
    {
        // side, status, message, seconds, kind
        { LegSide.Prefill, 400, "Input length (9 tokens) exceeds the maximum allowed length (8 tokens).", 0,
            LegEndKind.ClientError },
        { LegSide.Decode, 422, "no", 0, LegEndKind.ClientError },
        { LegSide.Prefill, 400, "Invalid request: Disaggregated request received without bootstrap room id. req.rid='X'", 0,
            LegEndKind.GatewayError },
        { LegSide.Decode, 400, "routed_dp_rank=9 out of range [0, 4)", 0, LegEndKind.GatewayError },
        { LegSide.Prefill, 500,
            "follow_bootstrap_room conflict: dispatched to dp_rank 1 but bootstrap_room 8 implies dp_rank 0...", 0,
            LegEndKind.GatewayError },
        { LegSide.Decode, 500, "Metadata corruption detected - bootstrap_room mismatch", 0, LegEndKind.GatewayError },
        { LegSide.Prefill, 503, "Using priority is disabled for this server.", 0, LegEndKind.Overloaded },
        { LegSide.Decode, 429, "", 0, LegEndKind.Overloaded },
        { LegSide.Prefill, 500, "Prefill bootstrap failed for request rank=0 ... Aborted by AbortReq.", 0, LegEndKind.Aborted },
        { LegSide.Decode, 500, "Decode transfer failed ... Aborted by AbortReq.", 100, LegEndKind.Aborted },
        { LegSide.Decode, 500, "Decode handshake failed ... Aborted by AbortReq.", 0.5, LegEndKind.Aborted },
        { LegSide.Decode, 500, "Decode handshake failed ... Aborted by AbortReq.", 15, LegEndKind.PartnerLost },
        { LegSide.Decode, 500, "Decode handshake failed for request ... Could not fetch bootstrap info for: ...", 0,
            LegEndKind.PartnerLost },
        { LegSide.Decode, 500, "Lost connection with prefill instance (bootstrap_addr: h:p)", 0, LegEndKind.PartnerLost },
        { LegSide.Prefill, 500, "Prefill transfer failed for request rank=0", 0, LegEndKind.TransferFailed },
        { LegSide.Prefill, 500, "Prefill bootstrap failed ... timed out after 300.1s in KVPoll.Bootstrapping", 300,
            LegEndKind.TransferFailed },
        { LegSide.Decode, 500, "Decode transfer failed ... timed out ... in KVPoll.WaitingForInput", 300,
            LegEndKind.TransferFailed },
        { LegSide.Prefill, 500, "Internal Server Error", 0, LegEndKind.EngineError },
        { LegSide.Decode, 500, "Out of memory even after retracting all other requests", 0, LegEndKind.EngineError },
    };

    [Theory]
    [MemberData(nameof(Texts))]
    public void An_error_text_is_classified(LegSide side, int status, string message, double seconds, LegEndKind expected) =>
        Assert.Equal(expected, EngineAnswer.Classify(side, status, message, TimeSpan.FromSeconds(seconds), ridIsOurs: true).Kind);

    [Theory]
    [InlineData(true, LegEndKind.GatewayError)]
    [InlineData(false, LegEndKind.ClientError)]
    public void A_duplicate_id_is_the_fault_of_the_side_that_minted_it(bool ours, LegEndKind expected) =>
        Assert.Equal(expected, EngineAnswer.Classify(
            LegSide.Decode, 400, "Duplicate request ID detected: X", TimeSpan.Zero, ours).Kind);

    [Fact]
    public void Every_kind_that_an_engine_can_report_has_a_text()
    {
        LegEndKind[] withoutText =
        [
            LegEndKind.Open, LegEndKind.Ok, LegEndKind.Unreachable, LegEndKind.Broken, LegEndKind.Stale, LegEndKind.Malformed,
            LegEndKind.Truncated, LegEndKind.Cancelled,
        ];
        Assert.Equal(
            Enum.GetValues<LegEndKind>().Except(withoutText).Order(), Texts.Select(row => row.Data.Item5).Distinct().Order());
    }
}

using OrleansPd.Core.Attempts;
using OrleansPd.Core.Requests;

namespace OrleansPd.Core.Tests.Attempts;

/// <summary>
/// Every way in which a prefill leg can end, with every way in which a decode leg can end, in either order, before and after
/// output:
/// the client's answer, the party at fault, what is cancelled, and whether a retry is allowed. A new
/// way to end that is in no table here fails these tests.
/// </summary>
public class PairTableTests
{
    private static readonly LegEndKind[] Kinds = [.. Enum.GetValues<LegEndKind>().Where(k => k is not LegEndKind.Open)];

    private static readonly LegEndKind[] Failures = [.. Kinds.Where(k => k is not LegEndKind.Ok)];

    /// <summary>
    /// For a leg that ends first, before output: status, whether the client gets the engine's text, the party at fault, whether
    /// it may be retried.
    /// </summary>
    private static (int Status, bool HasEngineText, Blame Blame, bool Retry) Row(LegSide side, LegEndKind kind)
    {
        var self = side == LegSide.Prefill ? Blame.Prefill : Blame.Decode;
        // The client gets decode's answer: decode's 500 is passed on, a prefill's means that the service is not
        // there.
        var fault = side == LegSide.Prefill ? (503, false) : (500, true);
        return kind switch
        {
            LegEndKind.ClientError => (400, true, Blame.Client, false),
            LegEndKind.GatewayError => (500, false, Blame.Gateway, true),
            LegEndKind.Overloaded => (503, true, Blame.None, true),
            LegEndKind.Aborted => (500, true, Blame.None, false),
            LegEndKind.EngineError => (fault.Item1, fault.Item2, self, true),
            LegEndKind.PartnerLost => (500, true, Blame.Prefill, true),
            LegEndKind.TransferFailed => (fault.Item1, fault.Item2, Blame.None, true),
            LegEndKind.Unreachable => (503, false, self, true),
            LegEndKind.Broken => (503, false, self, true),
            LegEndKind.Stale => (503, false, Blame.None, true),
            LegEndKind.Malformed => (502, false, self, true),
            LegEndKind.Truncated => (502, false, self, true),
            LegEndKind.Cancelled => (503, false, Blame.None, true),
            _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "a way to end that is in no table"),
        };
    }

    /// <summary>As the wire gives it: the status that engines put on this kind of failure, 0 where there was none.</summary>
    private static LegEnd End(LegEndKind kind) => kind switch
    {
        LegEndKind.Ok => LegEnd.Ok,
        LegEndKind.ClientError or LegEndKind.GatewayError => new(kind, 400, "text"),
        LegEndKind.Overloaded => new(kind, 503, "text"),
        LegEndKind.Aborted or LegEndKind.EngineError or LegEndKind.PartnerLost or LegEndKind.TransferFailed =>
            new(kind, 500, "text"),
        LegEndKind.Unreachable or LegEndKind.Broken or LegEndKind.Stale or LegEndKind.Malformed or LegEndKind.Truncated
            or LegEndKind.Cancelled =>
            new(kind, 0, "text"),
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "a way to end that is in no table"),
    };

    public static TheoryData<LegEndKind, LegEndKind> Pairs()
    {
        var pairs = new TheoryData<LegEndKind, LegEndKind>();
        foreach (var prefill in Kinds)
        {
            foreach (var decode in Kinds)
                pairs.Add(prefill, decode);
        }
        return pairs;
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void Before_output_the_first_failure_decides_and_the_other_end_changes_nothing(LegEndKind prefill, LegEndKind decode)
    {
        foreach (var prefillFirst in new[] { true, false })
        {
            var (state, actions) = Run(DispatchState.Start(false, false), prefillFirst, End(prefill), End(decode));
            var (first, second) = prefillFirst ? (prefill, decode) : (decode, prefill);
            var sides = prefillFirst ? (LegSide.Prefill, LegSide.Decode) : (LegSide.Decode, LegSide.Prefill);
            if (first == LegEndKind.Ok && (second == LegEndKind.Ok || !prefillFirst))
            {
                // Decode output proves that the KV has arrived, so a later prefill failure does not matter.
                Assert.Same(Verdict.Success, state.Verdict);
                Assert.True(state.IsCommitted);
                Charged(state, Blame.None);
                continue;
            }
            var (side, kind) = first == LegEndKind.Ok ? (sides.Item2, second) : (sides.Item1, first);
            var row = Row(side, kind);
            Assert.False(state.IsCommitted);
            Assert.Equal((row.Status, row.Blame, row.Retry), (
                state.Verdict!.Status, state.Verdict.Blame, state.Verdict.Retryable));
            Assert.Equal(row.HasEngineText ? side : null, state.Verdict.Side);
            Assert.Equal(row.HasEngineText, state.Verdict.Side is not null && state.Verdict.Message == "text");
            Assert.NotEmpty(state.Verdict.Message);
            var partner = side == LegSide.Prefill ? DispatchActions.CancelDecode : DispatchActions.CancelPrefill;
            Assert.Equal(first == LegEndKind.Ok ? DispatchActions.None
                : partner, actions & (DispatchActions.CancelDecode | DispatchActions.CancelPrefill));
            Charged(state, row.Blame);
        }
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void After_output_only_decode_decides_and_nothing_is_committed_twice(LegEndKind prefill, LegEndKind decode)
    {
        foreach (var prefillFirst in new[] { true, false })
        {
            var begun = DispatchState.Start(false, false).On(DispatchEvent.DecodeOutput, out var commit);
            Assert.Equal(DispatchActions.Commit, commit);

            var (state, actions) = Run(begun, prefillFirst, End(prefill), End(decode));

            Assert.True(state.IsCommitted);
            Assert.Equal(DispatchActions.None, actions & DispatchActions.Commit);
            if (decode == LegEndKind.Ok)
            {
                Assert.Same(Verdict.Success, state.Verdict);
                Charged(state, Blame.None);
                continue;
            }
            var row = Row(LegSide.Decode, decode);
            Assert.Equal((row.Status, row.Blame), (state.Verdict!.Status, state.Verdict.Blame));
            Charged(state, row.Blame);
            Assert.Equal(
                prefillFirst ? DispatchActions.None
                    : DispatchActions.CancelPrefill, actions & (DispatchActions.CancelPrefill | DispatchActions.CancelDecode));
        }
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void An_answer_that_needs_both_legs_is_committed_only_when_both_are_good(LegEndKind prefill, LegEndKind decode)
    {
        foreach (var prefillFirst in new[] { true, false })
        {
            var begun = DispatchState.Start(false, needsPrefillAnswer: true).On(DispatchEvent.DecodeOutput, out _);

            var (state, _) = Run(begun, prefillFirst, End(prefill), End(decode));

            if (prefill == LegEndKind.Ok && decode == LegEndKind.Ok)
            {
                Assert.Same(Verdict.Success, state.Verdict);
                continue;
            }
            var prefillDecides = prefill != LegEndKind.Ok && (prefillFirst || decode == LegEndKind.Ok);
            var row = prefillDecides ? Row(LegSide.Prefill, prefill) : Row(LegSide.Decode, decode);
            Assert.Equal((row.Status, row.Blame), (state.Verdict!.Status, state.Verdict.Blame));
            // Decode alone had output; only with a good prefill did it reach the client.
            Assert.Equal(prefill == LegEndKind.Ok && prefillFirst, state.IsCommitted);
        }
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void A_batch_of_which_a_part_has_come_fails_with_a_prefill_that_breaks_off(LegEndKind prefill, LegEndKind decode)
    {
        var begun = DispatchState.Start(false, false, batch: true).On(DispatchEvent.DecodeOutput, out _);

        var (state, _) = Run(begun, prefillFirst: true, End(prefill), End(decode));

        // An engine that reports a failed prompt has informed its partner, a broken one has not: the other prompts would wait for
        // ever.
        var status = End(prefill).BrokeOff ? Row(LegSide.Prefill, prefill).Status
            : decode == LegEndKind.Ok ? 200
            : Row(LegSide.Decode, decode).Status;
        Assert.Equal(status, state.Verdict!.Status);
    }

    [Fact]
    public void A_regular_worker_is_charged_for_its_own_failures()
    {
        Assert.All(Failures, kind =>
        {
            var state = DispatchState.Start(regular: true, false).On(DispatchEvent.DecodeEnded(End(kind)), out var actions);
            var row = Row(LegSide.Decode, kind);
            Assert.Equal((row.Status, row.Retry), (state.Verdict!.Status, state.Verdict.Retryable));
            Assert.StartsWith("regular_", state.Verdict.Reason);
            Assert.Equal(DispatchActions.Decided, actions);
        });
    }

    [Fact]
    public void Every_failure_has_its_own_reason() => Assert.Equal(
        Failures.Length * 2, Failures.SelectMany(k => new[] { Reason(LegSide.Prefill, k), Reason(LegSide.Decode, k) }).Distinct()
            .Count());

    private static string Reason(LegSide side, LegEndKind kind) => Verdict.OfFailure(side, End(kind), regular: false).Reason;

    private static (DispatchState State, DispatchActions Actions) Run(
        DispatchState state, bool prefillFirst, LegEnd prefill, LegEnd decode)
    {
        var p = DispatchEvent.PrefillEnded(prefill);
        var d = DispatchEvent.DecodeEnded(decode);
        var after = state.On(prefillFirst ? p : d, out var first).On(prefillFirst ? d : p, out var second);
        Assert.True(after.IsClosed);
        return (after, first | second);
    }

    /// <summary>
    /// Only the side at fault is reported as failed. When no side was at fault for the request, a leg that broke alone is still
    /// its engine's failure: the cause of a failed transfer, or a prefill engine that dies after its KV was sent.
    /// </summary>
    private static void Charged(DispatchState state, Blame blame)
    {
        foreach (var (side, end, mine) in new[] { (
            LegSide.Prefill, state.Prefill, Blame.Prefill), (LegSide.Decode, state.Decode, Blame.Decode) })
        {
            var failed = blame == mine || (blame == Blame.None && end.IsOwnFault);
            Assert.Equal(failed, state.Verdict!.OutcomeOf(side, end) == LegOutcome.Failed);
        }
    }
}

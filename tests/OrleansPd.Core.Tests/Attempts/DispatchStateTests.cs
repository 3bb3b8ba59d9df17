using OrleansPd.Core.Attempts;
using OrleansPd.Core.Requests;

namespace OrleansPd.Core.Tests.Attempts;

public class DispatchStateTests
{
    private static readonly LegEnd Dead = new(LegEndKind.Broken, 0, "reset");

    [Fact]
    public void Output_commits_while_the_prefill_answer_is_open()
    {
        var state = DispatchState.Start(regular: false, needsPrefillAnswer: false)
            .On(DispatchEvent.DecodeOutput, out var actions);

        Assert.Equal(DispatchActions.Commit, actions);
        Assert.True(state.Prefill.IsOpen);
    }

    [Fact]
    public void Decode_success_never_cancels_the_prefill_leg()
    {
        var state = DispatchState.Start(false, false).On(DispatchEvent.DecodeOutput, out _);

        state = state.On(DispatchEvent.DecodeEnded(LegEnd.Ok), out var actions);

        Assert.Equal(DispatchActions.Decided, actions);
        Assert.True(state.Verdict!.IsSuccess);
        Assert.False(state.IsClosed);
        state = state.On(DispatchEvent.PrefillEnded(LegEnd.Ok), out actions);
        Assert.Equal(DispatchActions.None, actions);
        Assert.True(state.IsClosed);
    }

    [Theory]
    [InlineData(LegSide.Prefill, DispatchActions.Decided | DispatchActions.CancelDecode)]
    [InlineData(LegSide.Decode, DispatchActions.Decided | DispatchActions.CancelPrefill)]
    public void First_failure_decides_and_cancels_the_other_leg(LegSide side, DispatchActions expected)
    {
        var e = side == LegSide.Prefill ? DispatchEvent.PrefillEnded(Dead) : DispatchEvent.DecodeEnded(Dead);

        var state = DispatchState.Start(false, false).On(e, out var actions);

        Assert.Equal(expected, actions);
        Assert.Equal(side == LegSide.Prefill ? Blame.Prefill : Blame.Decode, state.Verdict!.Blame);
    }

    [Fact]
    public void A_second_failure_does_not_move_the_blame()
    {
        var state = DispatchState.Start(false, false).On(DispatchEvent.PrefillEnded(Dead), out _);

        state = state.On(DispatchEvent.DecodeEnded(Dead), out var actions);

        Assert.Equal(DispatchActions.None, actions);
        Assert.Equal(Blame.Prefill, state.Verdict!.Blame);
    }

    [Fact]
    public void A_late_prefill_error_is_not_the_clients()
    {
        var state = DispatchState.Start(false, false).On(DispatchEvent.DecodeOutput, out _);

        state = state.On(DispatchEvent.PrefillEnded(Dead), out var actions);
        Assert.Equal(DispatchActions.None, actions);
        Assert.Null(state.Verdict);

        state = state.On(DispatchEvent.DecodeEnded(LegEnd.Ok), out _);
        Assert.True(state.Verdict!.IsSuccess);
        Assert.Equal(LegOutcome.Failed, state.Verdict.OutcomeOf(LegSide.Prefill, state.Prefill));
        Assert.Equal(LegOutcome.Succeeded, state.Verdict.OutcomeOf(LegSide.Decode, state.Decode));
    }

    [Fact]
    public void A_whole_decode_answer_outranks_a_prefill_error_that_comes_after_it()
    {
        var state = DispatchState.Start(false, false).On(DispatchEvent.DecodeEnded(LegEnd.Ok), out var actions);

        Assert.Equal(DispatchActions.Commit | DispatchActions.Decided, actions);
        state = state.On(DispatchEvent.PrefillEnded(Dead), out _);
        Assert.True(state.Verdict!.IsSuccess);
    }

    [Fact]
    public void An_answer_that_needs_both_legs_waits_for_the_prefill()
    {
        var state = DispatchState.Start(false, needsPrefillAnswer: true).On(DispatchEvent.DecodeOutput, out var actions);
        Assert.Equal(DispatchActions.None, actions);

        state = state.On(DispatchEvent.PrefillEnded(LegEnd.Ok), out actions);
        Assert.Equal(DispatchActions.Commit, actions);
        state = state.On(DispatchEvent.DecodeEnded(LegEnd.Ok), out actions);
        Assert.Equal(DispatchActions.Decided, actions);
        Assert.True(state.Verdict!.IsSuccess);
    }

    [Fact]
    public void An_answer_that_needs_both_legs_fails_with_the_prefill_even_after_output()
    {
        var state = DispatchState.Start(false, needsPrefillAnswer: true).On(DispatchEvent.DecodeOutput, out _);

        state = state.On(DispatchEvent.PrefillEnded(Dead), out var actions);

        Assert.Equal(DispatchActions.Decided | DispatchActions.CancelDecode, actions);
        Assert.False(state.IsCommitted);
        Assert.True(state.Verdict!.Retryable);
    }

    [Fact]
    public void A_regular_worker_has_no_prefill_leg_to_wait_for_or_cancel()
    {
        var state = DispatchState.Start(regular: true, needsPrefillAnswer: true).On(DispatchEvent.DecodeOutput, out var actions);
        Assert.Equal(DispatchActions.Commit, actions);

        state.On(DispatchEvent.ClientGone, out actions);
        Assert.Equal(DispatchActions.Decided | DispatchActions.CancelDecode, actions);
    }

    [Theory]
    [InlineData(false, "no_output")]
    [InlineData(true, "deadline")]
    public void Time_runs_out_for_both_legs(bool hasOutput, string reason)
    {
        var state = DispatchState.Start(false, false);
        state = hasOutput ? state.On(DispatchEvent.DecodeOutput, out _) : state;

        state = state.On(DispatchEvent.OutOfTime, out var actions);

        Assert.Equal(DispatchActions.Decided | DispatchActions.CancelPrefill | DispatchActions.CancelDecode, actions);
        Assert.Equal((504, reason, Blame.None), (state.Verdict!.Status, state.Verdict.Reason, state.Verdict.Blame));
    }

    [Fact]
    public void Client_leaving_after_the_end_changes_nothing()
    {
        var state = DispatchState.Start(false, false).On(DispatchEvent.DecodeEnded(LegEnd.Ok), out _);

        state = state.On(DispatchEvent.ClientGone, out var actions);

        Assert.Equal(DispatchActions.None, actions);
        Assert.True(state.Verdict!.IsSuccess);
    }

    /// <summary>
    /// Any order of any events: one verdict at most, one commit at most, no cancel of an ended leg, no commit after a failure.
    /// </summary>
    [Fact]
    public void Any_order_of_events_keeps_the_rules()
    {
        var seed = Environment.TickCount;
        var random = new Random(seed);
        var kinds = Enum.GetValues<LegEndKind>().Where(k => k != LegEndKind.Open).ToArray();
        for (var run = 0; run < 20_000; run++)
        {
            var regular = random.Next(4) == 0;
            var state = DispatchState.Start(regular, random.Next(2) == 0);
            Verdict? verdict = null;
            var commits = 0;
            for (var step = 0; step < 8; step++)
            {
                var end = new LegEnd(kinds[random.Next(kinds.Length)], 500, "x");
                var e = random.Next(6) switch
                {
                    0 => DispatchEvent.PrefillEnded(end),
                    1 => DispatchEvent.PrefillEnded(LegEnd.Ok),
                    2 => DispatchEvent.DecodeOutput,
                    3 => DispatchEvent.DecodeEnded(random.Next(2) == 0 ? LegEnd.Ok : end),
                    4 => DispatchEvent.ClientGone,
                    _ => DispatchEvent.OutOfTime,
                };
                var before = state;
                state = state.On(e, out var actions);

                commits += actions.HasFlag(DispatchActions.Commit) ? 1 : 0;
                Assert.True(verdict is null || ReferenceEquals(verdict, state.Verdict), $"seed {seed}: the verdict changed");
                Assert.True(verdict is null
                    || actions == DispatchActions.None, $"seed {seed}: something was asked for after the verdict");
                Assert.True(!actions.HasFlag(DispatchActions.CancelPrefill)
                    || before.Prefill.IsOpen, $"seed {seed}: an ended prefill leg was cancelled");
                Assert.True(!actions.HasFlag(DispatchActions.CancelDecode)
                    || before.Decode.IsOpen, $"seed {seed}: an ended decode leg was cancelled");
                Assert.True(!regular
                    || !actions.HasFlag(DispatchActions.CancelPrefill), $"seed {seed}: a leg that is not there was cancelled");
                Assert.True(state.Verdict is not { IsSuccess: true }
                    || state.IsCommitted, $"seed {seed}: success without commit");
                verdict = state.Verdict;
            }
            Assert.True(commits <= 1, $"seed {seed}: committed {commits} times");
        }
    }
}

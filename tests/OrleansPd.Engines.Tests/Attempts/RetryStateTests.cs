using System.Text;
using OrleansPd.Core.Attempts;
using OrleansPd.Core.Requests;
using OrleansPd.Engines.Answers;
using OrleansPd.Engines.Attempts;
using OrleansPd.Engines.Requests;

namespace OrleansPd.Engines.Tests.Attempts;

public sealed class RetryStateTests : IDisposable
{
    private static readonly Verdict Broken = Of(LegEndKind.Broken);
    private static readonly Verdict Stale = Of(LegEndKind.Stale);
    private readonly DispatchOptions _options = new() { MaxRetries = 2, MaxResumes = 2 };
    private readonly RetryBudget _budget = new();
    private readonly StreamJournal _journal = new(Dialect.Generate, wantsUsage: false, wantsContinuousUsage: false);

    public void Dispose() => _journal.Dispose();

    [Fact]
    public void Before_the_first_byte_an_attempt_is_retried_up_to_the_limit()
    {
        var state = new RetryState();
        Assert.Equal(NextStep.Retry, After(ref state, Failed(Broken)));
        Assert.Equal(NextStep.Retry, After(ref state, Failed(Broken)));
        Assert.Equal(NextStep.Answer, After(ref state, Failed(Broken)));
        Assert.Equal(new RetryState(Retries: 2), state);
    }

    [Fact]
    public void A_connection_closed_for_idleness_costs_no_retry_once()
    {
        var state = new RetryState();
        Assert.Equal(NextStep.Retry, After(ref state, Failed(Stale)));
        Assert.Equal(new RetryState(HasResent: true), state);
        Assert.Equal(NextStep.Retry, After(ref state, Failed(Stale)));
        Assert.Equal(new RetryState(Retries: 1, HasResent: true), state);
    }

    [Theory]
    [InlineData(LegEndKind.ClientError)]
    [InlineData(LegEndKind.Aborted)]
    public void Failures_that_another_pair_would_repeat_are_answered(LegEndKind kind)
    {
        var state = new RetryState();
        Assert.Equal(NextStep.Answer, After(ref state, Failed(Of(kind))));
    }

    [Fact]
    public void Nothing_follows_after_the_time_limit_or_without_budget()
    {
        var state = new RetryState();
        Assert.Equal(NextStep.Answer, After(ref state, Failed(Broken) with { TimeLeft = TimeSpan.Zero }));
        Assert.Equal(
            NextStep.Answer, state.After(Failed(Broken), null, _options, new RetryBudget(share: 0, reserve: 0), out state));
    }

    [Fact]
    public void A_stream_is_resumed_up_to_the_limit_and_a_resume_resets_the_retries()
    {
        Begin();
        var state = new RetryState(Retries: 2);
        Assert.Equal(NextStep.Resume, After(ref state, Committed(Broken)));
        Assert.Equal(new RetryState(Resumes: 1), state);
        Assert.Equal(NextStep.Retry, After(ref state, Failed(Broken)));
        Assert.Equal(NextStep.Resume, After(ref state, Committed(Verdict.Stalled)));
        Assert.Equal(NextStep.Answer, After(ref state, Committed(Broken)));
    }

    [Fact]
    public void A_committed_stream_without_a_journal_or_in_shutdown_is_not_resumed()
    {
        Begin();
        var state = new RetryState();
        Assert.Equal(NextStep.Answer, state.After(Committed(Broken), null, _options, _budget, out _));
        Assert.Equal(NextStep.Answer, After(ref state, Committed(Broken) with { IsStopping = true }));
        Assert.Equal(NextStep.Answer, After(ref state, Committed(Verdict.ClientGone)));
    }

    [Fact]
    public void A_stream_whose_text_is_complete_is_not_resumed()
    {
        Begin();
        var text = "data: {\"text\":\"x\",\"meta_info\":{\"finish_reason\":{\"type\":\"stop\"}}}\n\n"u8.ToArray();
        using var framer = new SseFramer();
        using var output = new PooledBuffer();
        ReadOnlySpan<byte> chunk = text;
        Assert.Equal(SseReadResult.Event, framer.Read(ref chunk, out var e));
        Assert.True(_journal.Take(e, output), Encoding.UTF8.GetString(text));
        var state = new RetryState();
        Assert.Equal(NextStep.Answer, After(ref state, Committed(Broken)));
    }

    private static Verdict Of(LegEndKind kind) => Verdict.OfFailure(LegSide.Decode, new LegEnd(kind, 500), regular: false);

    private static FailedAttempt Failed(Verdict verdict) => new(verdict, false, TimeSpan.FromSeconds(1), false);

    private static FailedAttempt Committed(Verdict verdict) => Failed(verdict) with { IsCommitted = true };

    private void Begin()
    {
        _journal.Mark();
        _journal.Begin();
    }

    private NextStep After(ref RetryState state, in FailedAttempt failed)
    {
        var step = state.After(failed, _journal, _options, _budget, out var next);
        state = next;
        return step;
    }
}

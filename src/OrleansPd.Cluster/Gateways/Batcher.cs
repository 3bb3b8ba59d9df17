using System.Threading.Channels;

namespace OrleansPd.Cluster.Gateways;

/// <summary>
/// Combines single questions into one call at a time. Questions that arrive during a call form the next batch; a question without
/// a running call is sent immediately.
/// </summary>
internal sealed class Batcher<TQuestion, TAnswer>(
    Func<ImmutableArray<TQuestion>, Task<ImmutableArray<TAnswer>>> ask, CancellationToken stop)
{
    private const int MaxWaiting = 65_536;
    private const int MaxBatch = 2048;
    private readonly Channel<(TQuestion Question, TaskCompletionSource<TAnswer> Answer)> _waiting =
        Channel.CreateBounded<(TQuestion, TaskCompletionSource<TAnswer>)>(MaxWaiting);

    private int _running;

    public async Task<TAnswer> AskAsync(TQuestion question, CancellationToken cancellationToken)
    {
        var answer = new TaskCompletionSource<TAnswer>(TaskCreationOptions.RunContinuationsAsynchronously);
        await _waiting.Writer.WriteAsync((question, answer), cancellationToken).ConfigureAwait(false);
        if (Interlocked.Exchange(ref _running, 1) == 0)
            _ = RunAsync();
        return await answer.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    private async Task RunAsync()
    {
        await Task.Yield();
        do
        {
            while (_waiting.Reader.TryPeek(out _))
                await AskAllAsync().ConfigureAwait(false);
            Volatile.Write(ref _running, 0);
            // A question may have arrived between the last check of the queue and the reset of _running.
        }
        while (_waiting.Reader.TryPeek(out _) && Interlocked.Exchange(ref _running, 1) == 0);
    }

    private async Task AskAllAsync()
    {
        var batch = new List<(TQuestion Question, TaskCompletionSource<TAnswer> Answer)>();
        while (batch.Count < MaxBatch && _waiting.Reader.TryRead(out var next))
            batch.Add(next);
        try
        {
            var answers = await ask([.. batch.Select(b => b.Question)]).WaitAsync(stop).ConfigureAwait(false);
            for (var i = 0; i < batch.Count; i++)
                batch[i].Answer.TrySetResult(answers[i]);
        }
        catch (Exception e)
        {
            foreach (var (_, answer) in batch)
                answer.TrySetException(e);
        }
    }
}

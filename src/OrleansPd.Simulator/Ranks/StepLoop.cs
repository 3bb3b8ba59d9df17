using System.Threading.Channels;

namespace OrleansPd.Simulator.Ranks;

/// <summary>
/// The decode batch of a rank: one loop steps all running requests together, admits waiting ones up to its capacity, and
/// sleeps when there is nothing to do.
/// </summary>
internal sealed class StepLoop(EngineProcess engine, int rank, RankStats stats, Pacer pacer, LoadBoard board)
{
    private readonly Channel<byte> _wake =
        Channel.CreateBounded<byte>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    private readonly Lock _gate = new();
    private readonly Queue<Active> _waiting = new();
    private readonly List<Active> _running = [];
    private long _steps;

    /// <summary>Held by a step, and by calls that SGLang makes on its scheduler thread: those stop the steps.</summary>
    public SemaphoreSlim Scheduler { get; } = new(1, 1);

    /// <summary>
    /// Takes a request whose KV is complete. <paramref name="done"/> runs once, when it has ended; <paramref name="retracted"/>
    /// instead where it has to leave before its end.
    /// </summary>
    public void Enqueue(
        SimRequest request, Sequence sequence, TokenOut first, Action<SimRequest, Sequence> done,
        Action<SimRequest, Sequence>? retracted = null)
    {
        request.Stage = Stage.DecodeWaiting;
        lock (_gate)
            _waiting.Enqueue(new Active(request, sequence, first, done, retracted));
        request.Cancelled.UnsafeRegister(static state => ((StepLoop)state!).Wake(), this);
        Wake();
    }

    public void Wake() => _wake.Writer.TryWrite(0);

    /// <summary>Counts a retraction for everything in the batch.</summary>
    public void Retract()
    {
        lock (_gate)
            _running.ForEach(active => active.Request.Retractions++);
    }

    public async Task RunAsync(CancellationToken ct)
    {
        var due = 0L;
        while (true)
        {
            ct.ThrowIfCancellationRequested();
            await engine.Faults.WaitWhileAsync(FaultKind.WedgeDecode, rank, ct);
            await Scheduler.WaitAsync(ct);
            int batch;
            try
            {
                DropCancelled();
                batch = engine.Pause.IsPaused ? 0 : StepAll();
            }
            finally
            {
                Scheduler.Release();
            }
            if (batch == 0)
            {
                await _wake.Reader.ReadAsync(ct);
                continue;
            }
            if (++_steps % LoadBoard.PublishEverySteps == 0)
                board.Publish();
            due = await pacer.StepAsync(due, engine.Options.Timing.Step(batch), ct);
        }
    }

    private int StepAll()
    {
        lock (_gate)
        {
            var admitted = _running.Count;
            while (_running.Count < engine.Options.Window && _waiting.TryDequeue(out var next))
            {
                next.Request.Stage = Stage.Running;
                _running.Add(next);
            }
            var batch = _running.Count;
            for (var i = batch - 1; i >= 0; i--)
            {
                // One that has just entered shows the token its prefill made; the others make one.
                var active = _running[i];
                var token = i >= admitted ? active.First : active.Sequence.Sample();
                if (!Say(active, token))
                    _running.RemoveAt(i);
            }
            return batch;
        }
    }

    private bool Say(Active active, TokenOut token)
    {
        if (active.Request.TokensToOutOfMemory-- == 0)
        {
            engine.End(active.Request, new StepOut(
                null, "", Finish.Abort("Out of memory even after retracting all other requests in the decode batch.", 500)));
            active.Done(active.Request, active.Sequence);
            return false;
        }
        var text = active.Sequence.Commit(token.Id);
        stats.Grow(1);
        stats.GeneratedTokens++;
        if (active.Sequence.Finish is not { } finish)
        {
            active.Request.Emit(token, text, null);
            if (active.Retracted is { } retracted && active.Request.TokensToRetract > 0 && --active.Request.TokensToRetract == 0)
            {
                retracted(active.Request, active.Sequence);
                return false;
            }
            return !engine.DiesAt(active.Request);
        }
        engine.End(active.Request, new StepOut(token, text, finish));
        active.Done(active.Request, active.Sequence);
        return false;
    }

    private void DropCancelled()
    {
        lock (_gate)
        {
            for (var i = _running.Count - 1; i >= 0; i--)
            {
                if (_running[i].Request.Cancelled.IsCancellationRequested)
                {
                    Drop(_running[i]);
                    _running.RemoveAt(i);
                }
            }
            for (var left = _waiting.Count; left > 0; left--)
            {
                var next = _waiting.Dequeue();
                if (next.Request.Cancelled.IsCancellationRequested)
                    Drop(next);
                else
                    _waiting.Enqueue(next);
            }
        }
    }

    private void Drop(Active active)
    {
        engine.End(active.Request, new StepOut(null, "", active.Request.CancelledFinish()));
        active.Done(active.Request, active.Sequence);
    }

    private sealed record Active(SimRequest Request, Sequence Sequence, TokenOut First, Action<SimRequest, Sequence> Done,
        Action<SimRequest, Sequence>? Retracted);
}

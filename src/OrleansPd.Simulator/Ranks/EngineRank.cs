namespace OrleansPd.Simulator.Ranks;

/// <summary>One data-parallel rank of one epoch of an engine.</summary>
internal abstract class EngineRank : IAsyncDisposable
{
    protected EngineRank(EngineProcess engine, int index)
    {
        Engine = engine;
        Index = index;
        Stats = engine.Stats.Ranks[index];
        Pacer = new Pacer(engine.Clock, engine.Options.Speed, engine.Faults, index);
        Board = new LoadBoard(Stats, engine.Clock);
    }

    public int Index { get; }
    public RankStats Stats { get; }
    public LoadBoard Board { get; }

    /// <summary>Number of requests that wait for memory.</summary>
    public virtual int PreallocReady => 0;

    protected EngineProcess Engine { get; }
    protected Pacer Pacer { get; }

    /// <summary>Serves one request to its end, or up to the point where a loop takes it over. Never throws.</summary>
    public Task ServeAsync(SimRequest request)
    {
        request.Enter(Index, Stats);
        return GuardAsync(request, () => StartAsync(request));
    }

    /// <summary>Turns whatever <paramref name="work"/> throws into the end of the request.</summary>
    protected async Task GuardAsync(SimRequest request, Func<Task> work)
    {
        try
        {
            await work();
        }
        catch (OperationCanceledException) when (request.Cancelled.IsCancellationRequested)
        {
            Engine.End(request, new StepOut(null, "", request.CancelledFinish()));
        }
        catch (OperationCanceledException)
        {
            // The process ends; so do its connections.
        }
        catch (PdFailure failure)
        {
            Engine.End(request, new StepOut(null, "", request.FailedFinish(failure.Message)));
        }
        catch (Exception e) when (!Engine.Ended.IsCancellationRequested)
        {
            Engine.Die($"the scheduler of rank {Index} raised {e}");
        }
    }

    private Task StartAsync(SimRequest request)
    {
        if (Engine.Faults.TryTake(FaultKind.FailTransfer, Index, request.Rid) is null)
            return RunRequestAsync(request);
        request.Stage = Engine.Options.Role == EngineRole.Decode ? Stage.Transfer : Stage.Inflight;
        throw new PdFailure("Failed by a fault.");
    }

    /// <summary>Loops of the rank; they end with <paramref name="ct"/>.</summary>
    public virtual Task RunAsync(CancellationToken ct) => Task.CompletedTask;

    /// <summary>Lets a sleeping loop look at its work again.</summary>
    public virtual void Wake()
    {
    }

    public virtual void Retract()
    {
    }

    public virtual void Flush()
    {
    }

    public abstract ValueTask DisposeAsync();

    protected abstract Task RunRequestAsync(SimRequest request);
}

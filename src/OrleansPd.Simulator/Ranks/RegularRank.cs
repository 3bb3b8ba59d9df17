namespace OrleansPd.Simulator.Ranks;

/// <summary>Prefill and decode in one: the answer every pair is measured against.</summary>
internal sealed class RegularRank : EngineRank
{
    private readonly ForwardUnit _forward;
    private readonly StepLoop _steps;
    private readonly SlotMemory _memory;

    public RegularRank(EngineProcess engine, int index)
        : base(engine, index)
    {
        _forward = new ForwardUnit(engine, index, Stats, Pacer);
        _steps = new StepLoop(engine, index, Stats, Pacer, Board);
        _memory = new SlotMemory(Stats, engine.Options.Window, engine.Options.TokenCapacity, engine.Options.ReservedDecodeTokens);
    }

    public override Task RunAsync(CancellationToken ct) => _steps.RunAsync(ct);

    public override void Wake() => _steps.Wake();

    public override void Retract() => _steps.Retract();

    public override void Flush() => _forward.Flush();

    public override ValueTask DisposeAsync() => ValueTask.CompletedTask;

    protected override async Task RunRequestAsync(SimRequest request)
    {
        request.Stage = Stage.Waiting;
        var slot = await _memory.ReserveAsync(request.Tokens.Length, request.Cancelled);
        Sequence sequence;
        TokenOut first;
        try
        {
            sequence = new Sequence(Engine.Options.Model, request.Sampling, (await _forward.RunAsync(request)).State);
            Board.Publish();
            first = sequence.Sample();
        }
        catch
        {
            _memory.Release(slot, request.Tokens.Length);
            throw;
        }
        _steps.Enqueue(request, sequence, first, (done, output) =>
        {
            _forward.Keep(done, output.Output);
            _memory.Release(slot, output.TotalTokens);
        });
    }
}

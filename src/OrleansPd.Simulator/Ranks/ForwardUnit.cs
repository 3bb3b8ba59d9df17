namespace OrleansPd.Simulator.Ranks;

/// <summary>The forward passes of a rank, one after the other, with its prefix cache.</summary>
internal sealed class ForwardUnit(EngineProcess engine, int rank, RankStats stats, Pacer pacer)
{
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly PrefixCache _cache = new(Math.Max(1, engine.Options.TokenCapacity / engine.Options.PageSize));

    public async Task<Prompt> RunAsync(SimRequest request)
    {
        request.Stage = Stage.Waiting;
        await _turn.WaitAsync(request.Cancelled);
        try
        {
            await engine.Faults.WaitWhileAsync(FaultKind.WedgePrefill, rank, request.Cancelled);
            await engine.Pause.WaitAsync(request.Cancelled);
            request.Stage = Stage.Forward;
            var page = engine.Options.PageSize;
            var keys = Prompt.PageKeys(request.Tokens, page, request.CacheSalt);
            // At least one token is always computed: the last one's state makes the answer.
            request.CachedTokens = _cache.Match(keys, (request.Tokens.Length - 1) / page) * page;
            stats.CountPrompt(request.Tokens.Length, request.CachedTokens);
            var uncached = request.Tokens.Length - request.CachedTokens;
            Interlocked.Add(ref stats.PrefillUncachedTokens, uncached);
            var prompt = Prompt.Forward(request.Tokens);
            await pacer.DelayAsync(engine.Options.Timing.Prefill(uncached), request.Cancelled);
            _cache.Insert(keys);
            return prompt;
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Keeps the pages of prompt and answer, as an engine does that decodes itself.</summary>
    public void Keep(SimRequest request, IReadOnlyList<int> output) =>
        _cache.Insert(Prompt.PageKeys([.. request.Tokens, .. output.SkipLast(1)], engine.Options.PageSize, request.CacheSalt));

    public void Flush() => _cache.Clear();
}

namespace OrleansPd.Simulator.Http;

/// <summary>The steps of every generation call before its requests reach a rank.</summary>
internal sealed class RequestIntake(EngineProcess engine)
{
    private const int MaxTopLogprobs = 128;

    private long _rids;

    private SimulatedEngineOptions Options => engine.Options;

    /// <summary>32 hex digits, as SGLang makes them; the same in every run with the same seed and port.</summary>
    public string NewRid()
    {
        var number = (ulong)Interlocked.Increment(ref _rids);
        var low = Mixing.Fold(Mixing.Fold((ulong)Options.Seed, (ulong)engine.Port), (ulong)engine.Epoch << 48 ^ number);
        return $"{low:x16}{Mixing.Fold(low, number):x16}";
    }

    public SimRequest Build(
        string rid, int[] tokens, Sampling sampling, PdFields pd, LogprobSpec logprobs, string? salt, int n, string? rejection)
    {
        if (tokens.Length == 0)
            throw new ApiError(400, "input_ids cannot be empty.");
        if (tokens.Length >= Options.ContextLength)
        {
            throw new ApiError(400,
                $"The input ({tokens.Length} tokens) is longer than the model's context length "
                + $"({Options.ContextLength} tokens).");
        }
        if (tokens.Length > Options.TokenCapacity)
        {
            throw new ApiError(400,
                $"Request {rid} exceeds the maximum number of tokens: {tokens.Length} > {Options.TokenCapacity}");
        }
        if (tokens.Length > Options.MaxInput)
        {
            rejection ??= $"Input length ({tokens.Length} tokens) exceeds the maximum allowed length "
                + $"({Options.MaxInput} tokens). Use a shorter input or enable --allow-auto-truncate.";
        }
        if (logprobs.StartLen >= tokens.Length && logprobs.Wanted)
        {
            rejection ??= $"logprob_start_len, ({logprobs.StartLen}) is higher than the number of input tokens "
                + $"({tokens.Length}).";
        }
        var collides = n > 1 && Options.Role != EngineRole.Regular && pd.Room is not null && !pd.IsFake;
        if (collides)
            engine.Stats.AddRouterError($"n = {n} with room {pd.Room}");
        return new SimRequest(
            rid, rejection is null ? tokens : tokens[..1],
            sampling with { MaxNewTokens = Math.Min(sampling.MaxNewTokens, Options.ContextLength - tokens.Length - 1) }, pd,
            logprobs)
        {
            CacheSalt = salt is null ? 0 : Mixing.OfText(salt),
            Collides = collides,
            Rejection = rejection,
        };
    }

    /// <summary>Sends requests to their ranks. Throws <see cref="FatalRequest"/> where the server would go down.</summary>
    public async Task SubmitAsync(IReadOnlyList<SimRequest> requests, CancellationToken ct)
    {
        Check(requests);
        await engine.Pause.WaitAsync(ct);
        foreach (var request in requests)
            SubmitOne(request);
    }

    /// <summary>Ends the requests when the client leaves, after as long as the engine needs to notice.</summary>
    public IDisposable WatchClient(HttpContext context, IReadOnlyList<SimRequest> requests, Func<bool> streaming)
    {
        var started = engine.Clock.GetTimestamp();
        return new ClientWatch(() => engine.Track(LeaveAsync(started, requests, streaming())), context.RequestAborted);
    }

    private async Task LeaveAsync(long started, IReadOnlyList<SimRequest> requests, bool streaming)
    {
        var poll = Options.DisconnectPoll;
        var wait = streaming
            ? engine.Profile.August ? TimeSpan.Zero : TimeSpan.FromTicks(Math.Min(poll.Ticks, TimeSpan.FromSeconds(2).Ticks))
            : poll <= TimeSpan.Zero ? TimeSpan.Zero
            : TimeSpan.FromTicks(poll.Ticks - engine.Clock.GetElapsedTime(started).Ticks % poll.Ticks);
        if (wait > TimeSpan.Zero)
            await Task.Delay(wait, engine.Clock, engine.Ended).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        foreach (var request in requests)
            request.Cancel(SimRequest.AbortedByRequest);
    }

    private void Check(IReadOnlyList<SimRequest> requests)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var request in requests)
        {
            var rank = request.Pd.RoutedRank;
            if (rank is { } wanted && (uint)wanted >= (uint)Options.DpSize)
                throw new ApiError(400, $"routed_dp_rank={wanted} out of range [0, {Options.DpSize})");
            if (engine.Live.Contains(request.Rid))
                throw new ApiError(400, $"Duplicate request ID detected: {request.Rid}");
            if (!seen.Add(request.Rid))
                throw new ApiError(400, $"Duplicate request IDs detected within the request: ['{request.Rid}']");
            if (request.Logprobs.Top > MaxTopLogprobs && Options.Role == EngineRole.Prefill)
                throw new FatalRequest($"{request.Logprobs.Top} top logprobs on a prefill");
        }
    }

    private void SubmitOne(SimRequest request)
    {
        var pd = request.Pd;
        if (Options.Role != EngineRole.Regular && pd.Room is null && !pd.IsFake)
        {
            engine.Stats.AddRouterError($"no room in request {request.Rid}");
            if (Options.DpSize > 1 && Options.ResolvedLoadBalance == "follow_bootstrap_room" && pd.RoutedRank is null)
                throw new FatalRequest("a room-less request with follow_bootstrap_room");
            engine.Stats.Arrived();
            engine.End(request, new StepOut(null, "", Finish.Abort(
                $"Invalid request: Disaggregated request received without bootstrap room id. req.rid='{request.Rid}'", 400)));
            return;
        }
        if (Options.Role == EngineRole.Decode && pd.Host is null)
            throw new FatalRequest("a room without a host");
        if (Options.Role == EngineRole.Regular && request.Rejection is { } rejection)
        {
            engine.Stats.Arrived();
            engine.End(request, new StepOut(null, "", Finish.Abort(rejection, 400)));
            return;
        }
        engine.Submit(request, RankOf(pd));
    }

    private int RankOf(PdFields pd) => pd.RoutedRank ?? (Options.DpSize == 1 ? 0 : Options.ResolvedLoadBalance switch
    {
        "follow_bootstrap_room" when pd.Room is { } room => (int)((ulong)room % (ulong)Options.DpSize),
        "total_requests" => engine.Ranks.MinBy(rank => rank.Stats.Running + rank.Stats.Waiting + rank.Stats.BootstrapQueue
            + rank.Stats.PreallocQueue + rank.Stats.TransferQueue + rank.Stats.InflightQueue)!.Index,
        "total_tokens" => engine.Ranks.MinBy(rank => rank.Stats.LiveKvTokens)!.Index,
        _ => engine.NextRank(),
    });
}

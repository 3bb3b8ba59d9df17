namespace OrleansPd.Gateway.Security;

/// <summary>One client and its remaining limits. Thread-safe.</summary>
internal sealed class ClientAccount(ClientKeySpec spec, TimeProvider clock)
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);
    private readonly Lock _gate = new();
    private readonly bool _hasLimits = spec.RequestsPerMinute > 0 || spec.TokensPerMinute > 0 || spec.Concurrency > 0;
    private double _requests = spec.RequestsPerMinute;
    private double _tokens = spec.TokensPerMinute;
    private long _filledAt = clock.GetTimestamp();
    private int _open;

    public ClientKeySpec Spec => spec;

    /// <summary>
    /// Admits a request and charges it, or returns an error that names the limit and the time to wait. A request with more tokens
    /// than the limit of a minute is admitted when the full limit is available; the next requests wait until the debt is paid.
    /// </summary>
    public AnswerError? Enter(long tokens)
    {
        if (!_hasLimits)
            return null;
        lock (_gate)
        {
            Fill();
            if (spec.Concurrency > 0 && _open >= spec.Concurrency)
                return Refuse($"{spec.Concurrency} requests at a time", TimeSpan.FromSeconds(1));
            if (spec.RequestsPerMinute > 0 && _requests < 1)
                return Refuse($"{spec.RequestsPerMinute} requests a minute", Minute * ((1 - _requests) / spec.RequestsPerMinute));
            var needed = Math.Min(tokens, spec.TokensPerMinute);
            if (spec.TokensPerMinute > 0 && _tokens < needed)
                return Refuse($"{spec.TokensPerMinute} tokens a minute", Minute * ((needed - _tokens) / spec.TokensPerMinute));
            _requests -= 1;
            _tokens -= tokens;
            _open++;
            return null;
        }
    }

    public void Leave()
    {
        if (!_hasLimits)
            return;
        lock (_gate)
            _open--;
    }

    private void Fill()
    {
        var now = clock.GetTimestamp();
        var share = clock.GetElapsedTime(_filledAt, now) / Minute;
        _filledAt = now;
        _requests = Math.Min(spec.RequestsPerMinute, _requests + (share * spec.RequestsPerMinute));
        _tokens = Math.Min(spec.TokensPerMinute, _tokens + (share * spec.TokensPerMinute));
    }

    private AnswerError Refuse(string limit, TimeSpan wait) =>
        new(429, "rate_limit_exceeded", $"The key '{spec.Name}' is allowed {limit}.", RetryAfter: wait);
}

namespace OrleansPd.Simulator.Http;

/// <summary>
/// <c>/health</c>: an internal token that a paused engine never makes. A wedged one still answers 200: that is the point of the
/// fault.
/// </summary>
internal sealed class HealthCalls(EngineProcess engine)
{
    public async Task HealthAsync(HttpContext context)
    {
        if (engine.Faults.TryTake(FaultKind.HealthRed, null, null) is { } red)
        {
            await context.TextAsync(red.Status ?? 503, "");
            return;
        }
        var options = engine.Options;
        if (options.RustFrontEnd)
        {
            await context.TextAsync(200, "");
            return;
        }
        if (engine.Clock.GetUtcNow() - engine.StartedAt < options.Warmup)
        {
            await context.TextAsync(503, "");
            return;
        }
        var poll = options.HealthPoll ?? (options.Speed <= 0 ? TimeSpan.Zero : TimeSpan.FromSeconds(1) / options.Speed);
        if (poll > TimeSpan.Zero)
            await Task.Delay(poll, engine.Clock, context.RequestAborted);
        try
        {
            await engine.Pause.WaitAsync(context.RequestAborted)
                .WaitAsync(options.HealthTimeout, engine.Clock, context.RequestAborted);
            await context.TextAsync(200, "");
        }
        catch (TimeoutException)
        {
            await context.TextAsync(503, "");
        }
    }
}

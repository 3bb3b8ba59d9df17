using OrleansPd.Simulator;

namespace OrleansPd.Tools.Demo;

/// <summary>What is left in gateway and engines after all requests have ended, and the errors they counted.</summary>
internal sealed record Leftovers
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    public int ActiveRequests { get; private init; }
    public int OpenLegs { get; private init; }
    public long Retries { get; private init; }
    public long LiveRequests { get; private init; }
    public long Slots { get; private init; }

    /// <summary>Prefill requests; each has its own room.</summary>
    public long Rooms { get; private init; }

    public long DuplicateRooms { get; private init; }
    public long EngineFailures { get; private init; }
    public long PromptTokens { get; private init; }
    public long CachedTokens { get; private init; }

    /// <summary>Errors that only a router can cause.</summary>
    public IReadOnlyList<string> RouterErrors { get; private init; } = [];

    private bool IsIdle => ActiveRequests == 0 && OpenLegs == 0 && LiveRequests == 0 && Slots == 0;

    /// <summary>Polls until nothing is left or the time is over.</summary>
    public static async Task<Leftovers> FindAsync(
        HttpClient http, IDemoStage stage, TimeProvider time, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var start = time.GetTimestamp();
        while (true)
        {
            var leftovers = await LookAsync(http, stage, time, cancellationToken);
            if (leftovers.IsIdle || time.GetElapsedTime(start) > timeout)
                return leftovers;

            await Task.Delay(Pause, time, cancellationToken);
        }
    }

    public IEnumerable<string> Problems()
    {
        if (ActiveRequests != 0)
            yield return $"{ActiveRequests} requests are still active in the gateway";

        if (OpenLegs != 0)
            yield return $"{OpenLegs} legs are still open in the gateway";

        if (LiveRequests != 0)
            yield return $"{LiveRequests} requests are still in the engines";

        if (Slots != 0)
            yield return $"{Slots} request slots of engines are still held";

        if (DuplicateRooms != 0)
            yield return $"{DuplicateRooms} rooms were used twice";

        if (EngineFailures != 0)
            yield return $"{EngineFailures} requests failed or were aborted inside the engines";

        if (RouterErrors.Count != 0)
            yield return $"engines reported {RouterErrors.Count} errors of the gateway, e.g. {RouterErrors[0]}";
    }

    private static async Task<Leftovers> LookAsync(
        HttpClient http, IDemoStage stage, TimeProvider time, CancellationToken cancellationToken)
    {
        var page = await new GatewayView(http, stage.Gateway, time).MetricsAsync(cancellationToken);
        var leftovers = new Leftovers
        {
            ActiveRequests = (int)GatewayView.Metric(page, "orleanspd_gateway_active_requests"),
            OpenLegs = (int)GatewayView.Metric(page, "orleanspd_gateway_open_legs"),
            Retries = (long)GatewayView.Metric(page, "orleanspd_gateway_retries_total"),
        };
        foreach (var engine in stage.Engines)
        {
            var text = await http.GetStringAsync(new Uri(engine.Url, "/sim/stats"), cancellationToken);
            using var json = JsonDocument.Parse(text);
            leftovers = leftovers.With(engine, json.RootElement);
        }

        return leftovers;
    }

    private Leftovers With(DemoEngine engine, JsonElement stats)
    {
        var prefill = engine.Role == EngineRole.Prefill;
        return this with
        {
            LiveRequests = LiveRequests + Of("live_requests"),
            Slots = Slots + stats.GetProperty("ranks").EnumerateArray().Sum(rank => rank.GetProperty("occupied").GetInt64()),
            Rooms = Rooms + (prefill ? Of("requests_total") : 0),
            DuplicateRooms = DuplicateRooms + Of("duplicate_rooms"),
            EngineFailures = EngineFailures + Of("failed_total") + Of("aborted_total"),
            PromptTokens = PromptTokens + (prefill ? Of("prompt_tokens") : 0),
            CachedTokens = CachedTokens + (prefill ? Of("cache_hit_tokens") : 0),
            RouterErrors =
            [
                .. RouterErrors,
                .. stats.GetProperty("router_errors").EnumerateArray().Select(error => $"{engine.Name}: {error.GetString()}"),
            ],
        };

        long Of(string name) => stats.GetProperty(name).GetInt64();
    }
}

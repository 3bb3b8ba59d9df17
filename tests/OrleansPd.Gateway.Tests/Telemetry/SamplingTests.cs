using System.Collections.Concurrent;
using System.Diagnostics;
using OrleansPd.Engines.Attempts;
using OrleansPd.Gateway.Tests.Support;

namespace OrleansPd.Gateway.Tests.Telemetry;

/// <summary>
/// Which requests get spans where not all do. The listener hears every gateway of the process, so no test runs in parallel.
/// </summary>
[Collection(nameof(SamplingTests))]
[CollectionDefinition(nameof(SamplingTests), DisableParallelization = true)]
public sealed class SamplingTests : IDisposable
{
    private readonly ConcurrentQueue<Activity> _ended = new();
    private readonly ActivityListener _listener;

    public SamplingTests()
    {
        _listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == DispatchTelemetry.Name,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = _ended.Enqueue,
        };
        ActivitySource.AddActivityListener(_listener);
    }

    public void Dispose() => _listener.Dispose();

    [Fact]
    public async Task Engines_are_told_of_each_request_that_was_not_drawn_by_a_context_of_its_own()
    {
        var told = await TellAsync(0, [null, null, "not a context"], state: "a=b");

        Assert.All(told, headers => Assert.Matches("^00-[0-9a-f]{32}-[0-9a-f]{16}-00$", headers.Parent));
        Assert.All(told, headers => Assert.True(ActivityContext.TryParse(headers.Parent, null, out _)));
        Assert.All(told, headers => Assert.Equal("", headers.State));
        // Both legs of a request are of one, and no two requests are.
        Assert.Equal([2, 2, 2], told.GroupBy(headers => headers.Parent).Select(legs => legs.Count()));
        Assert.Equal(3, told.DistinctBy(headers => headers.Parent.Split('-')[1]).Count());
        Assert.Empty(_ended);
    }

    [Theory]
    [InlineData("01", 3)]
    [InlineData("00", 0)]
    public async Task A_client_that_has_drawn_decides(string flags, int spans)
    {
        const string Trace = "0af7651916cd43dd8448eb211c80319c";
        var told = await TellAsync(spans == 0 ? 0.999999 : 0, [$"00-{Trace}-b7ad6b7169203331-{flags}"], state: "a=b");

        Assert.All(told, headers => Assert.Equal((Trace, flags), (headers.Parent.Split('-')[1], headers.Parent.Split('-')[3])));
        Assert.All(told, headers => Assert.Equal("a=b", headers.State));
        await Stage.UntilAsync(() => _ended.Count == spans);
    }

    [Fact]
    public async Task A_request_that_was_drawn_has_all_its_attributes_and_each_once()
    {
        var told = await TellAsync(0.999999, [null], state: null);

        await Stage.UntilAsync(() => _ended.Count == 3);
        string[] leg =
        [
            "http.request.method", "url.path", "server.address", "server.port", "orleanspd.role", "orleanspd.pair",
            "orleanspd.prefill.rank", "orleanspd.decode.rank", "orleanspd.room", "orleanspd.items", "orleanspd.attempt",
            "orleanspd.epoch", "orleanspd.end", "http.response.status_code",
        ];
        string[] request =
        [
            "http.request.method", "http.route", "url.path", "client.address", "orleanspd.request.id",
            "http.response.status_code", "orleanspd.reason", "orleanspd.side", "orleanspd.calls", "orleanspd.attempts",
        ];
        Assert.Equal(request, Tags("POST /generate"));
        Assert.Equal(leg, Tags("prefill"));
        Assert.Equal([.. leg[..^2], "orleanspd.first_content_ms", .. leg[^2..]], Tags("decode"));
        var legs = _ended.Where(span => span.Kind == ActivityKind.Client).Select(span => $"00-{span.TraceId}-{span.SpanId}-01");
        Assert.Equal(legs.Order(), told.Select(headers => headers.Parent).Order());

        IEnumerable<string> Tags(string name) => _ended.Single(s => s.OperationName == name).TagObjects.Select(tag => tag.Key);
    }

    /// <summary>Sends a request for each, and returns what both engines were told of its trace.</summary>
    private static async Task<(string Parent, string State)[]> TellAsync(double ratio, string?[] parents, string? state)
    {
        await using var spy = await Spy.StartAsync();
        await using var gateway = await spy.GatewayAsync(
            "h", options => (options.EnableTrace, options.TraceSampleRatio) = (true, ratio));
        using var client = new HttpClient { BaseAddress = gateway.Url };
        foreach (var parent in parents)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/generate")
            {
                Content = new StringContent("""{"text":"x"}""", System.Text.Encoding.UTF8, "application/json"),
            };
            request.Headers.TryAddWithoutValidation("traceparent", parent);
            request.Headers.TryAddWithoutValidation("tracestate", state);
            using var response = await client.SendAsync(request, Stage.Token);
            response.EnsureSuccessStatusCode();
        }
        await Stage.UntilAsync(() => spy.Seen.Count == 2 * parents.Length);
        return [.. spy.Seen.Select(seen => (seen.Headers.TraceParent.ToString(), seen.Headers["tracestate"].ToString()))];
    }
}

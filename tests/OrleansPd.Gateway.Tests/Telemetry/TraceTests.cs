using System.Collections.Concurrent;
using System.Diagnostics;
using OrleansPd.Engines.Attempts;
using OrleansPd.Gateway.Tests.Support;
using OrleansPd.Simulator.Faults;

namespace OrleansPd.Gateway.Tests.Telemetry;

/// <summary>Spans of a request and of its legs, and the context that engines and clients share.</summary>
public sealed class TraceTests
{
    private const string Client = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    [Fact]
    public async Task A_request_is_one_server_span_with_a_child_for_each_leg_of_each_attempt()
    {
        var trace = ActivityTraceId.CreateRandom().ToString();
        using var spans = new Recorder(trace, ActivitySamplingResult.AllDataAndRecorded);
        await using var stage = await Stage.StartAsync(2, 2);
        stage.Decode.Last().Faults.Add(new Fault(FaultKind.Status) { Status = 500, Count = 1 });
        await SendAsync(stage.Client, $"00-{trace}-b7ad6b7169203331-01");
        await stage.EmptyAsync();
        await Stage.UntilAsync(() => spans.Ended.Count == 5);

        var server = spans.Ended.Single(s => s.Kind == ActivityKind.Server);
        Assert.Equal(("POST /generate", "b7ad6b7169203331"), (server.OperationName, server.ParentSpanId.ToString()));
        Assert.Equal(("ok", 200, 2), (server.GetTagItem(
            "orleanspd.reason"), server.GetTagItem("http.response.status_code"), server.GetTagItem("orleanspd.attempts")));
        Assert.Equal("my-id", server.GetTagItem("orleanspd.request.id"));
        var legs = spans.Ended.Where(s => s.Kind == ActivityKind.Client).ToArray();
        Assert.All(legs, leg => Assert.Equal(server.SpanId, leg.ParentSpanId));
        Assert.Equal(["decode", "decode", "prefill", "prefill"], legs.Select(l => l.OperationName).Order());
        var leases = stage.ControlPlane.Leases.ToArray();
        foreach (var leg in legs)
        {
            var lease = leases[(int)leg.GetTagItem("orleanspd.attempt")!];
            Assert.Equal(lease.Room.ToString(
                System.Globalization.CultureInfo.InvariantCulture), leg.GetTagItem("orleanspd.room"));
            Assert.Equal($"{lease.Prefill!.Id.Value} {lease.Decode.Id.Value}", leg.GetTagItem("orleanspd.pair"));
            Assert.Equal((lease.PrefillRank, lease.DecodeRank), (
                (int)leg.GetTagItem("orleanspd.prefill.rank")!, (int)leg.GetTagItem("orleanspd.decode.rank")!));
        }
        Assert.Contains(legs, l => l is { OperationName: "decode", Status: ActivityStatusCode.Error });
    }

    [Theory]
    [InlineData(ActivitySamplingResult.AllDataAndRecorded, "01")]
    [InlineData(ActivitySamplingResult.PropagationData, "00")]
    public async Task Engines_are_told_the_clients_trace_and_whether_it_was_drawn(ActivitySamplingResult drawn, string flags)
    {
        var trace = ActivityTraceId.CreateRandom().ToString();
        using var spans = new Recorder(trace, drawn);
        await using var spy = await Spy.StartAsync();
        await using var gateway = await spy.GatewayAsync("h");
        using var client = new HttpClient { BaseAddress = gateway.Url };

        await SendAsync(client, $"00-{trace}-b7ad6b7169203331-01");

        await Stage.UntilAsync(() => spy.Seen.Count == 2);
        var told = spy.Seen.Select(s => s.Headers.TraceParent.ToString().Split('-')).ToArray();
        Assert.All(told, parts => Assert.Equal(("00", trace, flags), (parts[0], parts[1], parts[3])));
        Assert.All(told, parts => Assert.NotEqual("b7ad6b7169203331", parts[2]));
    }

    [Fact]
    public async Task Without_a_listener_the_clients_context_goes_through_as_it_is()
    {
        await using var spy = await Spy.StartAsync();
        await using var gateway = await spy.GatewayAsync("h");
        using var client = new HttpClient { BaseAddress = gateway.Url };
        using var deaf = new Recorder("none", ActivitySamplingResult.None);

        await SendAsync(client, Client);

        await Stage.UntilAsync(() => spy.Seen.Count == 2);
        Assert.All(spy.Seen, s => Assert.Equal(Client, s.Headers.TraceParent.ToString()));
    }

    [Theory]
    [InlineData("x-request-id", "abc", "abc")]
    [InlineData("x-correlation-id", "def", "def")]
    [InlineData("request-id", "ghi", "ghi")]
    [InlineData("x-request-id", "has space", null)]
    public async Task A_request_id_comes_back_and_one_is_made_where_none_or_a_bad_one_came(
        string header, string value, string? back)
    {
        await using var stage = await Stage.StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/generate") { Content = Body() };
        request.Headers.TryAddWithoutValidation(header, value);
        using var response = await stage.Client.SendAsync(request, Stage.Token);
        var id = response.Headers.GetValues("x-request-id").Single();
        Assert.True(back is null ? id.StartsWith("req-", StringComparison.Ordinal) : id == back, id);
    }

    private static async Task SendAsync(HttpClient client, string traceparent)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/generate") { Content = Body() };
        request.Headers.Add("traceparent", traceparent);
        request.Headers.Add("x-request-id", "my-id");
        using var response = await client.SendAsync(request, Stage.Token);
        response.EnsureSuccessStatusCode();
    }

    private static StringContent Body() =>
        new("""{"text":"x","sampling_params":{"max_new_tokens":2}}""", System.Text.Encoding.UTF8, "application/json");

    /// <summary>Listens to spans of one trace; other tests of the process have theirs.</summary>
    private sealed class Recorder : IDisposable
    {
        private readonly ActivityListener _listener;

        public Recorder(string trace, ActivitySamplingResult drawn)
        {
            _listener = new ActivityListener
            {
                ShouldListenTo = source => source.Name == DispatchTelemetry.Name,
                Sample = (ref ActivityCreationOptions<ActivityContext> options) =>
                    options.TraceId.ToString() == trace ? drawn : ActivitySamplingResult.None,
                ActivityStopped = span =>
                {
                    if (span.TraceId.ToString() == trace)
                        Ended.Enqueue(span);
                },
            };
            ActivitySource.AddActivityListener(_listener);
        }

        public ConcurrentQueue<Activity> Ended { get; } = new();

        public void Dispose() => _listener.Dispose();
    }
}

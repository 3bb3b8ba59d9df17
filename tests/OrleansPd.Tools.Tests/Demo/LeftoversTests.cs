using OrleansPd.Simulator;
using OrleansPd.Testing;
using OrleansPd.Tools.Demo;

namespace OrleansPd.Tools.Tests.Demo;

public sealed class RemainsTests
{
    [Fact]
    public async Task What_hangs_in_gateway_or_engine_is_a_problem()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        await using var engine = await SimulatedEngine.StartAsync(new() { Role = EngineRole.Decode }, ct: cancellationToken);
        await using var gateway = await StubEngine.StartAsync((_, _) => Task.CompletedTask,
            "orleanspd_gateway_active_requests 1\norleanspd_gateway_open_legs{role=\"prefill\"} 1\n"
            + "orleanspd_gateway_open_legs{role=\"decode\"} 2\norleanspd_gateway_retries_total 4\n");
        using var http = new HttpClient();

        var remains = await Leftovers.FindAsync(
            http, new Stage(gateway.Url, engine.Url), TimeProvider.System, TimeSpan.Zero, cancellationToken);

        Assert.Equal((1, 3, 4L), (remains.ActiveRequests, remains.OpenLegs, remains.Retries));
        Assert.Equal(
            ["1 requests are still active in the gateway", "3 legs are still open in the gateway"], remains.Problems());
    }

    private sealed class Stage(Uri gateway, Uri engine) : IDemoStage
    {
        public IReadOnlyList<DemoEngine> Engines => [new("decode-1", EngineRole.Decode, engine, 1)];

        public Uri Gateway => gateway;

        public Task<string> Broken => throw new NotSupportedException();

        public string MemoryOf => "";

        public MemorySample Measure() => default;

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}

using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using OrleansPd.Core.Workers;
using OrleansPd.Gateway.Options;
using OrleansPd.Gateway.Tests.Support;
using OrleansPd.Simulator;
using OrleansPd.Simulator.Model;

namespace OrleansPd.Gateway.Tests.Standalone;

/// <summary>
/// A prefill is restarted under load. What it costs in time: <c>OrleansPd.Benchmarks -- restart</c>, docs/restart.md.
/// </summary>
public sealed class RestartTests
{
    private const int Clients = 12;
    private const int Hour = 3600;
    private static readonly string Good = ReferenceModel.Complete("The capital of France", 16, new Sampling { IgnoreEos = true });

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task With_the_facade_each_of_two_serves_again_at_once_and_no_request_is_lost()
    {
        await using var stage = await StartAsync(facade: true, prefills: 2);
        using var enough = new CancellationTokenSource();
        var answered = 0;
        var clients = Enumerable.Range(0, Clients).Select(_ => Task.Run(
            async () =>
            {
                while (!enough.IsCancellationRequested)
                {
                    await AskAsync(stage);
                    Interlocked.Increment(ref answered);
                }
            },
            Token)).ToArray();
        await LiveStage.UntilAsync(() => answered > 2 * Clients, TimeSpan.FromSeconds(30));
        for (var restart = 0; restart < 4; restart++)
        {
            var prefill = stage.Prefill[restart % 2];
            await prefill.RestartAsync(Token);
            await LiveStage.UntilAsync(
                () => clients.Any(c => c.IsFaulted)
                    || (stage.SnapshotOf(prefill) is { Phase: WorkerPhase.Ready } shown && shown.Epoch >= 2 + (restart / 2)),
                TimeSpan.FromSeconds(60));
            var before = answered;
            await LiveStage.UntilAsync(
                () => clients.Any(c => c.IsFaulted) || answered > before + Clients, TimeSpan.FromSeconds(60));
        }
        await enough.CancelAsync();
        await Task.WhenAll(clients); // every answer was whole and right
    }

    [Fact]
    public async Task Without_it_the_new_process_is_held_back_and_who_cannot_wait_is_told_so()
    {
        await using var stage = await StartAsync(facade: false, prefills: 1);
        await AskAsync(stage);
        await stage.Prefill[0].RestartAsync(Token);
        await LiveStage.UntilAsync(() => stage.SnapshotOf(stage.Prefill[0]) is { Epoch: 2 }, TimeSpan.FromSeconds(60));
        var held = stage.SnapshotOf(stage.Prefill[0]);
        Assert.Equal(WorkerPhase.Probing, held.Phase);
        Assert.Contains("held until decode engines have dropped", held.Reason);
        using var refused = await SendAsync(stage);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        Assert.Equal("no_prefill_workers_available", refused.Headers.GetValues("x-router-error-code").Single());
        Assert.True(refused.Headers.RetryAfter is not null);
    }

    private static Task<LiveStage> StartAsync(bool facade, int prefills)
    {
        // Three retries, since the first may meet the other prefill as it is restarted in its turn.
        var options = new GatewayOptions { Upstream = Stage.DefaultUpstream, RetryMaxRetries = 3 };
        options.ControlPlane.Policy = "round_robin";
        options.ControlPlane.BootstrapFacade = facade;
        options.ControlPlane.FacadeHost = "127.0.0.1";
        options.ControlPlane.PrefillRestartHoldSecs = Hour;
        options.ControlPlane.LivenessIntervalSecs = 1;
        options.ControlPlane.DescribeIntervalSecs = 1;
        options.ControlPlane.QueueSize = 1000;
        return LiveStage.StartAsync(
            prefills, 2, options, engine => engine with { Speed = 0, DpSize = engine.Role == EngineRole.Prefill ? 2 : 1 });
    }

    private static async Task AskAsync(LiveStage stage)
    {
        using var response = await SendAsync(stage);
        var text = await response.Content.ReadAsStringAsync(Token);
        if (response.StatusCode != HttpStatusCode.OK)
        {
            var id = response.Headers.GetValues("x-request-id").Single();
            Assert.Fail($"{(int)response.StatusCode}: {text}\n{await stage.Client.GetStringAsync($"/debug/requests/{id}", Token)}");
        }
        Assert.Equal(Good, (string)JsonNode.Parse(text)!["text"]!);
    }

    private static async Task<HttpResponseMessage> SendAsync(LiveStage stage)
    {
        using var content = new StringContent(
            """{"text":"The capital of France","sampling_params":{"max_new_tokens":16,"ignore_eos":true}}""", Encoding.UTF8,
            "application/json");
        return await stage.Client.PostAsync("/generate", content, Token);
    }
}

using System.Net;
using System.Net.Http.Json;
using System.Text.RegularExpressions;
using OrleansPd.Server.CommandLine;
using OrleansPd.Simulator;
using OrleansPd.Simulator.Model;
using OrleansPd.Tools.Demo;

namespace OrleansPd.Server.Tests.Commands;

public sealed class GatewayCommandTests
{
    [Fact]
    public async Task A_gateway_that_starts_before_its_engines_serves_when_they_are_up()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        await using var prefill =
            await SimulatedEngine.StartAsync(new() { Role = EngineRole.Prefill, Speed = 0 }, ct: cancellationToken);
        await using var decode =
            await SimulatedEngine.StartAsync(new() { Role = EngineRole.Decode, Speed = 0 }, ct: cancellationToken);
        await prefill.KillAsync();
        await decode.KillAsync();
        using var stop = new CancellationTokenSource();
        var listens = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var bed = new CommandLineTestBed { FirstLine = listens.SetResult };
        var gateway = bed.RunUntilAsync(stop.Token, "gateway", "--host", "127.0.0.1", "--port", "0",
            "--prefill", prefill.Url.ToString(), "--decode", decode.Url.ToString());
        Assert.Equal(listens.Task, await Task.WhenAny(listens.Task, gateway));
        var url = new Uri(Regex.Match(bed.Out, @"http://127\.0\.0\.1:\d+").Value);
        using var http = new HttpClient();

        using var early = await http.GetAsync(new Uri(url, "/readiness"), cancellationToken);
        await prefill.RestartAsync(cancellationToken);
        await decode.RestartAsync(cancellationToken);
        await new GatewayView(http, url, TimeProvider.System).ReadyAsync(2, TimeSpan.FromSeconds(60), cancellationToken);
        using var answer = await http.PostAsJsonAsync(new Uri(url, "/generate"),
            new { text = "the river", sampling_params = new { max_new_tokens = 5, ignore_eos = true } }, cancellationToken);
        var body = await answer.Content.ReadFromJsonAsync<Answer>(cancellationToken);
        await stop.CancelAsync();

        Assert.Equal(HttpStatusCode.ServiceUnavailable, early.StatusCode);
        Assert.Equal(ReferenceModel.Complete("the river", 5, new() { IgnoreEos = true }), body!.Text);
        Assert.Equal(0, await gateway);
    }

    [Fact]
    public async Task A_gateway_without_engines_names_the_flags_for_them()
    {
        using var stop = new CancellationTokenSource();
        var bed = new CommandLineTestBed { FirstLine = stop.Cancel };

        Assert.Equal(0, await bed.RunUntilAsync(stop.Token, "gateway", "--host", "127.0.0.1", "--port", "0"));
        Assert.Contains("serves no engines: add some with --prefill and --decode, or --worker", bed.Out);
    }

    [Fact]
    public void An_unexpected_stop_gives_its_reason() =>
        Assert.Equal("the gateway stopped unexpectedly: InvalidOperationException: no more",
            StoppedGateway.Explain(new InvalidOperationException("no more")).Message);

    private sealed record Answer(string Text);
}

using System.Net;
using System.Text;
using OrleansPd.Gateway.Options;
using OrleansPd.Gateway.Tests.Support;

namespace OrleansPd.Gateway.Tests;

public class ShutdownTests
{
    private static string Request(int tokens) =>
        $$"""{"text":"The capital of France","stream":true,"sampling_params":{"max_new_tokens":{{tokens}},"ignore_eos":true} }""";

    [Fact]
    public async Task What_is_in_flight_ends_by_itself_and_the_gateway_says_that_it_is_not_ready()
    {
        await using var stage = await Stage.StartAsync(
            options: new GatewayOptions { ShutdownGracePeriodSecs = 30 }, engine: o => o with { Speed = 4 });
        var pending = stage.StreamAsync("/generate", Request(100));
        await Stage.UntilAsync(() => stage.Decode.Single().Stats.Running == 1);

        var stop = stage.Gateway.StopAsync(Stage.Token);
        using var ready = await stage.Client.GetAsync("/readiness", Stage.Token);
        var events = await pending;
        await stop;

        Assert.Equal(HttpStatusCode.ServiceUnavailable, ready.StatusCode);
        Assert.Equal(100, (int)events[^1]["meta_info"]!["completion_tokens"]!);
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => stage.Client.GetAsync("/health", Stage.Token));
    }

    [Fact]
    public async Task What_does_not_end_within_the_grace_is_aborted_on_the_engines_and_the_client_is_told()
    {
        await using var stage = await Stage.StartAsync(
            options: new GatewayOptions { ShutdownGracePeriodSecs = 0 }, engine: o => o with { Speed = 1 });
        using var request = new HttpRequestMessage(HttpMethod.Post, "/generate")
        {
            Content = new StringContent(Request(4000), Encoding.UTF8, "application/json"),
        };
        using var response = await stage.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Stage.Token);
        await Stage.UntilAsync(() => stage.Decode.Single().Stats.Running == 1);

        await stage.Gateway.StopAsync(Stage.Token);

        var events = Stage.Events(await response.Content.ReadAsStringAsync(Stage.Token));
        Assert.Equal("The gateway is stopping.", (string)events[^1]["error"]!["message"]!);
        await stage.EmptyAsync();
    }
}

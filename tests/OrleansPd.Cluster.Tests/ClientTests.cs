using System.Text;
using OrleansPd.Client.Routing;
using OrleansPd.Cluster.Tests.Support;
using OrleansPd.Samples;

namespace OrleansPd.Cluster.Tests;

public class ClientTests
{
    private static byte[] Body(int tokens, bool stream = false) => Encoding.UTF8.GetBytes(
        $$$"""{"text":"from a service","stream":{{{(stream ? "true" : "false")}}},"sampling_params":{"max_new_tokens":{{{tokens}}},"temperature":0,"ignore_eos":true}}""");

    [Fact]
    public async Task Both_ways_give_the_gateway_s_answer_and_leave_nothing_behind()
    {
        await using var stage = await ClusterStage.StartAsync(silos: 2, prefill: 1, decode: 1);
        await stage.ReadyAsync();
        await using var client = new PdClient(stage.Cluster.Client, TimeProvider.System);
        var (_, expected) = await stage.PostAsync(stage.Nodes[0], Encoding.UTF8.GetString(Body(6)));
        foreach (var ask in new[] { client.StreamAsync(
            "/generate", Body(6), ClusterStage.Token), client.DispatchAsync("/generate", Body(6), ClusterStage.Token) })
        {
            var answer = await ask;
            Assert.Equal(200, answer.Status);
            Assert.Equal(TextOf(expected), TextOf(Encoding.UTF8.GetString(await answer.ReadAllAsync(ClusterStage.Token))));
        }
        foreach (var ask in new[] { client.StreamAsync("/generate", Body(6, true), ClusterStage.Token), client.DispatchAsync(
            "/generate", Body(6, true), ClusterStage.Token) })
        {
            var answer = await ask;
            var text = Encoding.UTF8.GetString(await answer.ReadAllAsync(ClusterStage.Token));
            Assert.EndsWith("data: [DONE]\n\n", text);
        }
        await ClusterStage.UntilAsync(() => stage.Nodes.All(n => n.Plane.Leases == 0) && stage.Decode[0].Stats.LiveRequests == 0);
    }

    [Fact]
    public async Task A_service_that_stops_reading_ends_both_legs()
    {
        await using var stage = await ClusterStage.StartAsync(silos: 1, prefill: 1, decode: 1, engine: e => e with { Speed = 1 });
        await stage.ReadyAsync();
        await using var client = new PdClient(stage.Cluster.Client, TimeProvider.System);
        foreach (var direct in new[] { true, false })
        {
            var body = Body(5000, stream: true);
            var answer = await (direct ? client.StreamAsync("/generate", body, ClusterStage.Token)
                : client.DispatchAsync("/generate", body, ClusterStage.Token));
            await foreach (var chunk in answer.Chunks)
            {
                Assert.False(chunk.IsEmpty);
                break;
            }
            await ClusterStage.UntilAsync(() => stage.Nodes[0].Plane.Leases == 0 && stage.Decode[0].Stats.LiveRequests == 0);
        }
    }

    [Fact]
    public async Task The_sample_service_runs_as_it_is_printed()
    {
        await using var stage = await ClusterStage.StartAsync(silos: 1, prefill: 1, decode: 1);
        await stage.ReadyAsync();
        await using var client = new PdClient(stage.Cluster.Client, TimeProvider.System);
        var output = new StringWriter();
        using var service = new ChatService(client, output);
        await service.StartAsync(ClusterStage.Token);
        await service.ExecuteTask!.WaitAsync(TimeSpan.FromSeconds(30), ClusterStage.Token);
        Assert.Contains("data: [DONE]", output.ToString());
        Assert.True(output.ToString().TrimEnd().Split('\n')[^1].Length > 0);
    }

    private static string TextOf(string json) => System.Text.Json.Nodes.JsonNode.Parse(json)!["text"]!.GetValue<string>();
}

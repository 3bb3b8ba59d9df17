using System.Net;
using System.Text.Json.Nodes;
using OrleansPd.Cluster.Tests.Support;

namespace OrleansPd.Cluster.Tests;

public class EndToEndTests
{
    private const string Body = """{"text":"the quick brown fox","sampling_params":{"max_new_tokens":4,"temperature":0}}""";

    [Fact]
    public async Task Engines_named_on_one_silo_serve_requests_at_every_gateway()
    {
        await using var stage = await ClusterStage.StartAsync(silos: 2, prefill: 1, decode: 1);
        await stage.ReadyAsync();
        foreach (var node in stage.Nodes)
        {
            var (status, body) = await stage.PostAsync(node, Body);
            Assert.True(status == HttpStatusCode.OK, body);
            Assert.NotEmpty(JsonNode.Parse(body)!["text"]!.GetValue<string>());
        }
        await ClusterStage.UntilAsync(() => stage.Nodes.All(n => n.Plane.Leases == 0));
        Assert.Equal(0, stage.Decode[0].Stats.LiveRequests);
    }
}

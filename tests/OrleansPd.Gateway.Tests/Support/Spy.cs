using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using OrleansPd.Core.Workers;
using OrleansPd.Gateway.Hosting;
using OrleansPd.Gateway.Options;

namespace OrleansPd.Gateway.Tests.Support;

/// <summary>An engine of both roles that writes down what it is sent and answers with an empty object.</summary>
internal sealed class Spy : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly System.Collections.Concurrent.ConcurrentQueue<(
        string Path, IHeaderDictionary Headers, string Text, JsonNode Json)> _seen = new();

    private Spy(WebApplication app)
    {
        _app = app;
    }

    public IReadOnlyCollection<(string Path, IHeaderDictionary Headers, string Text, JsonNode Json)> Seen => _seen;

    public static async Task<Spy> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var spy = new Spy(builder.Build());
        spy._app.Run(async context =>
        {
            var text = await new StreamReader(context.Request.Body).ReadToEndAsync();
            var headers = new HeaderDictionary(context.Request.Headers.ToDictionary());
            spy._seen.Enqueue((context.Request.Path, headers, text, JsonNode.Parse(
                text, documentOptions: new() { AllowDuplicateProperties = false })!));
            context.Response.ContentType = "application/json";
            await context.Response.WriteAsync(spy.Answer);
        });
        await spy._app.StartAsync();
        return spy;
    }

    /// <summary>Answers with this in place of an empty object.</summary>
    public string Answer { get; set; } = "{}";

    public Task<GatewayServer> GatewayAsync(string bootstrapHost, Action<GatewayOptions>? configure = null)
    {
        var options = new GatewayOptions { Host = "127.0.0.1", Port = 0 };
        configure?.Invoke(options);
        WorkerSnapshot Worker(WorkerRole role, int slot) => new()
        {
            Id = new(role.ToString()),
            Url = new Uri(_app.Urls.First()),
            Role = role,
            Phase = WorkerPhase.Ready,
            Epoch = 1,
            Slot = slot,
            Model = "m",
            Facts = WorkerFacts.Unknown,
            BootstrapHost = bootstrapHost,
            BootstrapPort = 8998,
        };
        var plane = new FixedControlPlane([Worker(WorkerRole.Prefill, 0), Worker(WorkerRole.Decode, 1)]);
        return GatewayServer.StartAsync(options, plane, cancellationToken: Stage.Token);
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();
}

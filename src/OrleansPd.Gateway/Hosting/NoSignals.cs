using Microsoft.Extensions.Hosting;

namespace OrleansPd.Gateway.Hosting;

/// <summary>For hosts inside a process that handles signals itself.</summary>
public sealed class NoSignals : IHostLifetime
{
    public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}

namespace OrleansPd.Net.Sockets;

/// <summary>A set of event loops. New sockets are assigned to them in rotation.</summary>
internal sealed class SocketLoops : IDisposable
{
    private static readonly Lazy<SocketLoops> OfProcess = new(() => new SocketLoops(Environment.ProcessorCount));

    private readonly TaskCompletionSource<Exception> _died = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly SocketLoop[] _loops;
    private int _next;

    /// <param name="count">Number of loops, each with its thread.</param>
    /// <exception cref="IOException">No file descriptor is left.</exception>
    public SocketLoops(int count)
    {
        _loops = new SocketLoop[count];
        for (var i = 0; i < count; i++)
            _loops[i] = new SocketLoop(this, i);
    }

    /// <summary>
    /// A socket was closed because the code that waited for it threw this exception. The loop and its other sockets go on. A
    /// handler must not block. An exception from a handler ends the loop; without a handler the exception is written to stderr.
    /// </summary>
    public event Action<Exception>? SocketFailed;

    /// <summary>Whether the platform is supported: Linux on x86-64 or ARM64.</summary>
    public static bool IsSupported => Libc.IsSupported;

    /// <summary>The loops of this process, one for each core. They start on first use and are never stopped.</summary>
    public static SocketLoops Shared => OfProcess.Value;

    /// <summary>
    /// Completes with the reason when a loop has ended for another reason than <see cref="Dispose"/>. Its sockets were closed;
    /// the host should stop the process.
    /// </summary>
    public Task<Exception> Died => _died.Task;

    public IReadOnlyList<SocketLoop> Loops => _loops;

    public SocketLoop Next() => _loops[(uint)Interlocked.Increment(ref _next) % (uint)_loops.Length];

    public void Dispose()
    {
        foreach (var loop in _loops)
            loop.Stop();
    }

    internal void OnSocketFailed(Exception e)
    {
        if (SocketFailed is { } handlers)
            handlers(e);
        else
            Console.Error.WriteLine($"A socket was closed because the code that waited for it failed: {e}");
    }

    internal void OnLoopDied(Exception e) => _died.TrySetResult(e);
}

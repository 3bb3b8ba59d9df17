using System.Diagnostics;

namespace OrleansPd.Gateway.Tests.Clients;

/// <summary>Programs that a machine may have or not: a test that needs one says so loudly where it is missing.</summary>
internal static class Tool
{
    public static string? Find(string name) => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .Where(folder => folder.Length > 0).Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);

    /// <summary>The program's path; the test is skipped where it is not installed.</summary>
    public static string Need(string name, string package)
    {
        var path = Find(name);
        Assert.SkipWhen(path is null, $"NOT TESTED: '{name}' is not installed (Debian package {package}).");
        return path!;
    }

    /// <summary>Runs it to its end.</summary>
    public static async Task<(
        int Code, string Output)> RunAsync(string program, string? folder, TimeSpan atMost, params string[] arguments)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(atMost);
        using var process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = folder ?? Path.GetTempPath(),
        })!;
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(limit.Token);
            var error = process.StandardError.ReadToEndAsync(limit.Token);
            await process.WaitForExitAsync(limit.Token);
            return (process.ExitCode, await output + await error);
        }
        finally
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }
    }

    /// <summary>A file of the repository, looked for upwards from where the test runs.</summary>
    public static string Repository(string file)
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "OrleansPd.sln")))
                return Path.Combine(folder.FullName, file);
        }
        throw new InvalidOperationException("The tests do not run inside the repository.");
    }
}

namespace OrleansPd.Server.Tests.Docs;

/// <summary>Where the sources stand that this suite was built from.</summary>
internal static class Repository
{
    public static string Root { get; } = Find();

    private static string Find()
    {
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (File.Exists(Path.Combine(at.FullName, "OrleansPd.sln")))
                return at.FullName;
        }

        throw new InvalidOperationException($"no OrleansPd.sln above {AppContext.BaseDirectory}");
    }
}

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.opensearch.common.settings.Settings;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.plugins.Plugin;

/**
 * One node of OpenSearch in this process, on the loopback address. Arguments: its home folder, the port for HTTP, the
 * port for other nodes, then further settings as name=value. For Elasticsearch the package names are replaced.
 */
final class SearchNode extends Node {
  private static final String[] MODULES = {
    "org.opensearch.transport.Netty4Plugin",
    "org.opensearch.analysis.common.CommonAnalysisPlugin",
    "org.opensearch.index.mapper.MapperExtrasPlugin",
    "org.opensearch.index.reindex.ReindexPlugin",
    "org.opensearch.ingest.common.IngestCommonPlugin",
    "org.opensearch.painless.PainlessPlugin",
  };

  private SearchNode(Settings settings, List<Class<? extends Plugin>> modules) {
    super(InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), null, () -> "test"), modules, false);
  }

  public static void main(String[] arguments) throws Exception {
    Settings.Builder settings =
        Settings.builder()
            .put("path.home", arguments[0])
            .put("http.port", arguments[1])
            .put("transport.port", arguments[2])
            .put("network.host", "127.0.0.1")
            .put("node.name", "test")
            .put("cluster.name", "sluice-tests-" + arguments[1])
            .put("discovery.type", "single-node")
            .put("transport.type", "netty4")
            .put("http.type", "netty4")
            // A full disk of the machine must not make indexes read-only.
            .put("cluster.routing.allocation.disk.threshold_enabled", false)
            // Nor garbage that was not collected yet make requests fail.
            .put("indices.breaker.total.use_real_memory", false);
    for (int index = 3; index < arguments.length; index++) {
      String[] setting = arguments[index].split("=", 2);
      settings.put(setting[0], setting[1]);
    }
    List<Class<? extends Plugin>> modules = new ArrayList<>();
    for (String name : MODULES) modules.add(Class.forName(name).asSubclass(Plugin.class));
    Node node = null;
    try {
      node = new SearchNode(settings.build(), modules).start();
    } catch (Throwable error) {
      error.printStackTrace();
      // Threads that run already would keep the process alive.
      Runtime.getRuntime().halt(1);
    }
    Node started = node;
    Runtime.getRuntime().addShutdownHook(new Thread(() -> close(started)));
    Thread.currentThread().join();
  }

  private static void close(Node node) {
    try {
      node.close();
    } catch (Exception error) {
      error.printStackTrace();
    }
  }
}
